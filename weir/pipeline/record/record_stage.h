// The recording stage: stands first, so its after() sees what every other stage decided, refusals included.
// Stages call no metrics and no logs: they note facts on the Exchange, and this one has them written down.
#pragma once

#include "weir/exchange/stage.h"
#include "weir/pipeline/record/record_sink.h"

namespace weir::pipeline {

class RecordStage final : public exchange::Stage {
 public:
  explicit RecordStage(RecordSink& sink) : sink_(sink) {}
  std::string_view name() const override { return "record"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override {
    if (auto begun = sink_.begin(exchange); !begun) co_return Unexpected(std::move(begun).error());
    co_return Flow::kOn;
  }
  void after(exchange::Exchange& exchange) override { sink_.record(exchange); }

 private:
  RecordSink& sink_;
};

}  // namespace weir::pipeline
