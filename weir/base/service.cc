#include "weir/base/service.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

// {word, base_url, key_header, key_variable, bills, counts_tokens}
constexpr auto kServices = std::to_array<Service>({
    {"azure", "", "api-key", ""},
    {"cerebras", "https://api.cerebras.ai/v1", "", "CEREBRAS_API_KEY"},
    {"deepseek", "https://api.deepseek.com/v1", "", "DEEPSEEK_API_KEY"},
    {"fireworks", "https://api.fireworks.ai/inference/v1", "", "FIREWORKS_API_KEY"},
    {"groq", "https://api.groq.com/openai/v1", "", "GROQ_API_KEY"},
    {"llama.cpp", "", "", "", false, true},  // its standard port is weir's own
    {"lmstudio", "http://127.0.0.1:1234/v1", "", "", false},
    {"mistral", "https://api.mistral.ai/v1", "", "MISTRAL_API_KEY"},
    {"openrouter", "https://openrouter.ai/api/v1", "", "OPENROUTER_API_KEY"},
    {"perplexity", "https://api.perplexity.ai", "", "PERPLEXITY_API_KEY"},
    {"sglang", "http://127.0.0.1:30000/v1", "", "", false},
    {"together", "https://api.together.xyz/v1", "", "TOGETHER_API_KEY"},
    {"vllm", "http://127.0.0.1:8000/v1", "", "", false},
    {"xai", "https://api.x.ai/v1", "", "XAI_API_KEY"},
});

}  // namespace

std::span<const Service> services() {
  return kServices;
}

const Service* service(std::string_view word) {
  const auto* at = std::ranges::find(kServices, word, &Service::word);
  return at == kServices.end() ? nullptr : at;
}

}  // namespace weir
