// Any model server at a configured base URL, in the wire it speaks: OpenAI and all of its kind (vLLM,
// llama.cpp, LM Studio, Groq, Together ...), Anthropic, Ollama, Gemini.
#pragma once

#include <memory>
#include <string>

#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

class RemoteProvider final : public Provider {
 public:
  RemoteProvider(std::string name, const wire::Wire& wire, io::Loop& loop, json::Parser& parser,
                 EndpointOptions options, bool responses = false)
      : name_(std::move(name)),
        wire_(wire),
        endpoint_(loop, std::move(options)),
        parser_(parser),
        responses_(responses) {}

  std::string_view name() const override { return name_; }
  io::Task<Result<void>> call(const Attempt& attempt, io::Cancel& cancel) override;
  io::Task<bool> alive(io::Cancel& cancel) override;
  void retire() override { endpoint_.pool().retire(); }

 private:
  const std::string name_;
  const wire::Wire& wire_;
  Endpoint endpoint_;
  json::Parser& parser_;
  const bool responses_;  // it speaks the Responses dialect too
};

}  // namespace weir::upstream
