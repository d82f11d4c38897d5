// Any model server at a configured base URL, in the wire it speaks: OpenAI and all of its kind (vLLM,
// llama.cpp, LM Studio, Groq, Together ...), Anthropic, Ollama, Gemini.
#pragma once

#include <memory>
#include <string>

#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

/// Dialects that a model server speaks beside its own: their callers are relayed to, not translated for.
struct AlsoSpoken {
  bool responses = false;  // OpenAI's Responses
  bool messages = false;   // Anthropic's messages, as llama.cpp, vLLM and Ollama do
};

class RemoteProvider final : public Provider {
 public:
  RemoteProvider(std::string name, const wire::Wire& wire, io::Loop& loop, json::Parser& parser,
                 EndpointOptions options, AlsoSpoken also = {})
      : name_(std::move(name)),
        wire_(wire),
        endpoint_(loop, std::move(options)),
        parser_(parser),
        also_(also) {}

  std::string_view name() const override { return name_; }
  io::Task<Result<void>> call(const Attempt& attempt, io::Cancel& cancel) override;
  io::Task<bool> alive(io::Cancel& cancel) override;
  io::Task<Result<std::vector<wire::ListedModel>>> list(io::Cancel& cancel) override;
  void retire() override { endpoint_.pool().retire(); }

 private:
  const wire::Wire& wire_for(const exchange::Exchange& exchange) const;

  const std::string name_;
  const wire::Wire& wire_;
  Endpoint endpoint_;
  json::Parser& parser_;
  const AlsoSpoken also_;
};

}  // namespace weir::upstream
