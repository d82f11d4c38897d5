// What a model server says of its models when it is asked for a list: {"data":[{"id":...}]} of OpenAI and all
// of its kind, Anthropic too; {"models":[{"name":...}]} of Ollama and Gemini.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/base/json.h"

namespace weir::wire {

struct ListedModel {
  std::string name;                // as a request names it
  std::string provider;            // who has it
  std::optional<int64_t> created;  // Unix time
  /// Members that weir does not write itself (llama.cpp's aliases, vLLM's max_model_len), as they came:
  /// `"a":1,"b":[]`. Empty: none, or more than kMoreBytesMax.
  std::string more;
};

inline constexpr size_t kListedModelsMax = 2000;
inline constexpr size_t kMoreBytesMax = 2048;

/// In the server's order; what has no proper name is left out, and what follows kListedModelsMax.
std::vector<ListedModel> read_model_list(const json::Document& answer);

}  // namespace weir::wire
