// Any server of the OpenAI kind at a configured base URL: OpenAI itself, vLLM, llama.cpp, LM Studio, Groq,
// Together ...
#pragma once

#include <memory>
#include <string>

#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

class OpenAiProvider final : public Provider {
 public:
  OpenAiProvider(std::string name, io::Loop& loop, json::Parser& parser, EndpointOptions options)
      : name_(std::move(name)), endpoint_(loop, std::move(options)), parser_(parser) {}

  std::string_view name() const override { return name_; }
  io::Task<Result<void>> call(exchange::Exchange& exchange, const exchange::Target& target,
                              exchange::AnswerStream& stream, io::Cancel& cancel) override;
  void retire() override { endpoint_.pool().retire(); }

 private:
  const std::string name_;
  Endpoint endpoint_;
  json::Parser& parser_;
};

}  // namespace weir::upstream
