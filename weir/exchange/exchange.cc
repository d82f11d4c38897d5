#include "weir/exchange/exchange.h"

namespace weir::exchange {

std::string_view name(Operation operation) {
  switch (operation) {
    case Operation::kChat:
      return "chat";
    case Operation::kCompletion:
      return "completion";
    case Operation::kEmbedding:
      return "embedding";
    case Operation::kCountTokens:
      return "count_tokens";
    case Operation::kPassThrough:
      return "pass_through";
  }
  return "unknown";
}

std::string_view name(Dialect dialect) {
  switch (dialect) {
    case Dialect::kOpenAi:
      return "openai";
    case Dialect::kResponses:
      return "responses";
    case Dialect::kAnthropic:
      return "anthropic";
    case Dialect::kOllama:
      return "ollama";
    case Dialect::kGemini:
      return "gemini";
  }
  return "unknown";
}

// Keys written with escapes live in the parser until its next document; the request outlives that.
Result<void> ModelRequest::parse(json::Parser& parser) {
  TRY(document, parser.parse(body.view()));
  const char* begin = body.data();
  const char* end = begin + body.size();
  unescaped_keys.clear();
  for (json::Member& m : document.members)
    if (m.key.data() < begin || m.key.data() > end) m.key = unescaped_keys.emplace_front(m.key);
  return {};
}

}  // namespace weir::exchange
