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

}  // namespace weir::exchange
