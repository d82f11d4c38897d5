#include "weir/pipeline/pipeline.h"

#include "weir/pipeline/admit/admit_stage.h"
#include "weir/pipeline/auth/auth_stage.h"
#include "weir/pipeline/price/price_stage.h"
#include "weir/pipeline/quota/quota_stage.h"
#include "weir/pipeline/receive/receive_stage.h"
#include "weir/pipeline/record/record_stage.h"
#include "weir/pipeline/route/route_stage.h"

namespace weir::pipeline {

// The journey of every model request, top to bottom; on the way back up the stages' after() run bottom to
// top. README.md in this folder tells the life of a request; whoever changes the order changes it there too.
std::vector<std::unique_ptr<exchange::Stage>> make_stages(const Settings& settings,
                                                          const accounts::Authenticator& authenticator,
                                                          RecordSink& sink, int cores,
                                                          quota::Renewals* renewals) {
  std::vector<std::unique_ptr<exchange::Stage>> stages;
  // First, so that its after() is the last: it sees every outcome, refusals included.
  stages.push_back(std::make_unique<RecordStage>(sink));
  // Before a byte of the body is read: a stranger costs a hash and no memory.
  stages.push_back(std::make_unique<AuthStage>(authenticator));
  // Who asks too often, or has as many requests under way as it may, is told so before its body is read.
  int64_t per_client = settings.server.limits.requests_per_client;
  stages.push_back(std::make_unique<AdmitStage>(per_client > 0 ? share_of(per_client, cores) : 0, renewals));
  // Reads and understands the body: everything below works on one canonical document.
  stages.push_back(std::make_unique<ReceiveStage>());
  // The last decision: which models on which providers may answer.
  stages.push_back(std::make_unique<RouteStage>(settings));
  // What it may cost is known now, and reserved; what it did cost is settled on the way back.
  stages.push_back(std::make_unique<QuotaStage>(settings, renewals));
  // Last, so that its after() is the first: what it cost is known when it is written down.
  stages.push_back(std::make_unique<PriceStage>(settings));
  return stages;
}

namespace {

// Shows each event to the taps before it goes on to the caller.
class TappedStream final : public exchange::AnswerStream {
 public:
  TappedStream(exchange::Exchange& e, exchange::AnswerStream& below, std::span<exchange::Tap* const> taps)
      : exchange_(e), below_(below), taps_(taps) {}
  void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override {
    below_.begin(status, content_type, headers);
  }
  void event(exchange::StreamEvent event) override {
    for (exchange::Tap* tap : taps_)
      tap->on_event(exchange_, event);
    if (!event.raw.empty() && !exchange_.cut) below_.event(event);
  }
  // A stream that a tap cut off is over for the model server, too: as if the caller had left.
  io::Task<bool> flush() override {
    bool there = co_await below_.flush();
    co_return there && !exchange_.cut;
  }
  void error_event(std::string_view raw) override {
    if (!exchange_.cut) below_.error_event(raw);
  }

 private:
  exchange::Exchange& exchange_;
  exchange::AnswerStream& below_;
  std::span<exchange::Tap* const> taps_;
};

}  // namespace

Pipeline::Pipeline(std::vector<std::unique_ptr<exchange::Stage>> stages, exchange::ModelClient& model_client)
    : stages_(std::move(stages)), model_client_(model_client) {
  for (auto& stage : stages_)
    if (exchange::Tap* tap = stage->tap()) taps_.push_back(tap);
}

io::Task<Result<void>> Pipeline::handle(exchange::Exchange& exchange, exchange::AnswerStream& stream) {
  using Flow = exchange::Stage::Flow;
  Result<void> outcome;
  Flow flow = Flow::kOn;
  size_t entered = 0;
  while (entered < stages_.size() && flow == Flow::kOn) {
    Result<Flow> said = co_await stages_[entered++]->before(exchange);
    if (!said) {
      outcome = Unexpected(std::move(said).error());
      break;
    }
    flow = *said;
  }
  if (outcome && flow == Flow::kOn) {
    if (taps_.empty()) {
      outcome = co_await model_client_.call(exchange, stream);
    } else {
      TappedStream tapped(exchange, stream, taps_);
      outcome = co_await model_client_.call(exchange, tapped);
    }
  }
  exchange.outcome.cancelled = exchange.cancel.reason();
  if (exchange.cut && !exchange.cancel.requested()) outcome = Unexpected(*exchange.cut);
  if (!outcome) {
    exchange.outcome.error = outcome.error();
    if (!exchange.outcome.streamed) exchange.outcome.status = http_status(outcome.error().code);
  } else if (exchange.answer) {
    exchange.outcome.status = exchange.answer->status;
    exchange.outcome.answer_bytes = exchange.answer->body.size();
  }
  while (entered > 0)
    stages_[--entered]->after(exchange);
  if (exchange.record.receipt) {
    Result<void> settled = co_await exchange.record.receipt->settled(exchange.record.number, exchange.cancel);
    if (outcome && !settled) outcome = std::move(settled);
  }
  co_return outcome;
}

}  // namespace weir::pipeline
