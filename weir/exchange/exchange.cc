#include "weir/exchange/exchange.h"

#include <algorithm>

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

bool Principal::may_use(std::string_view model) const {
  if (!models || models->empty()) return true;
  return std::ranges::any_of(*models,
                             [&](const std::string& pattern) { return matches_pattern(pattern, model); });
}

bool Principal::may_call(PassedApi api) const {
  if (passthrough && *passthrough) return (*passthrough)->has(api);
  if (api == PassedApi::kOrganization) return false;
  return by_model(api) || (!anonymous && !limited());
}

std::string client_of(const Principal& principal, std::string_view peer) {
  if (!principal.anonymous) return "key " + std::string(principal.name);
  return "address " + std::string(peer);
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
