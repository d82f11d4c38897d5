#include "weir/upstream/dispatcher.h"

#include <fmt/format.h>

#include "weir/base/mutation.h"
#include "weir/upstream/degraded.h"
#include "weir/upstream/upstream_error.h"

namespace weir::upstream {
namespace {

std::string_view phase_sentence(std::string_view reason) {
  if (reason == "queue_full") return "has more requests waiting than it can take; try again";
  if (reason == "queue_timeout") return "had no free connection in time; try again";
  if (reason == "connect_timeout") return "could not be connected to in time";
  if (reason == "headers_timeout") return "did not begin to answer in time";
  if (reason == "first_token_timeout") return "did not send a first token in time";
  if (reason == "idle_timeout") return "stopped sending its answer";
  if (reason == "total_timeout") return "did not finish its answer in time";
  if (reason == "connect_failed") return "can not be reached";
  if (reason == "closed_before_answer") return "closed the connection before it answered";
  if (reason == "stream_cut") return "cut its answer off";
  if (reason == "malformed_response") return "sent something that is not a valid answer";
  return {};
}

// What happened, in the caller's words: which provider and what it did, never its address or credentials.
void explain(Error& error, std::string_view provider) {
  if (error.safe.empty())
    if (std::string_view sentence = phase_sentence(error.reason); !sentence.empty())
      error.safe = fmt::format("The model server '{}' {}.", provider, sentence);
  error.message =
      fmt::format("provider {}: {}", provider, error.message.empty() ? error.safe : error.message);
}

Error total_timeout() {
  Error e = internal_error(ErrorCode::kUpstreamTimeout, "total time limit reached");
  e.reason = "total_timeout";
  return e;
}

// Only what was asked as a conversation, streamed, can be gone on with, and only where there is another
// target.
bool keeps_beginning(const exchange::Exchange& exchange) {
  const exchange::Route& route = exchange.route;
  return !exchange.pass && exchange.request.stream && exchange.operation == exchange::Operation::kChat &&
         route.settings && route.settings->when_cut == WhenCut::kContinue && route.targets.size() > 1;
}

// Thoughts that this dialect's callers send back must have been ended by the model that signed them.
bool signs_thoughts(exchange::Dialect dialect) {
  return dialect == exchange::Dialect::kAnthropic || dialect == exchange::Dialect::kResponses;
}

constexpr Duration kBusyRest = seconds(1);  // of a busy target that names no time

}  // namespace

Dispatcher::Dispatcher(io::Loop& loop, std::vector<std::unique_ptr<Provider>> providers,
                       const Settings& settings, FailureCounters& counters)
    : providers_(std::move(providers)),
      settings_(settings),
      counters_(counters),
      health_(loop, settings),
      budget_(settings.retries.budget_percent) {}

Provider* Dispatcher::find(std::string_view name) const {
  for (auto& provider : providers_)
    if (provider->name() == name) return provider.get();
  return nullptr;
}

io::Task<Result<void>> Dispatcher::attempt(const Journey::Stop& stop, exchange::Exchange& exchange,
                                           Delivery& delivery, Breaker::Call& call, io::Cancel& scope) {
  const exchange::Target& target = *stop.target;
  ++exchange.outcome.attempts;
  exchange.outcome.provider = target.provider;
  exchange.outcome.provider_model = target.model;
  exchange.outcome.endpoint = {};
  Provider* provider = find(target.provider);
  if (!provider)
    co_return fail_internal(ErrorCode::kInternal, fmt::format("no provider '{}'", target.provider));
  Result<void> outcome = co_await provider->call({exchange, target, stop.ask, delivery, call}, scope);
  if (!outcome) {
    if (scope.reason() == io::CancelReason::kTotalTimeout) outcome = Unexpected(total_timeout());
    explain(outcome.error(), target.provider);
  }
  co_return outcome;
}

// What the end of an attempt says about its target.
void Dispatcher::judge(Verdict verdict, const Error* error, const exchange::Exchange& exchange,
                       Breaker::Call& call) {
  MonoTime now = exchange.loop.now();
  if (verdict == Verdict::kGood || verdict == Verdict::kRefused || verdict == Verdict::kTooLong)
    return call.succeeded(now);  // it answered
  if (verdict == Verdict::kOver && error->reason != "total_timeout") return;
  counters_.failed(exchange.outcome.provider, exchange.outcome.provider_model,
                   error->reason.empty() ? name(error->code) : std::string_view(error->reason));
  if (verdict == Verdict::kBusy)
    call.busy(now, error->retry_after_s > 0 ? Duration(seconds(error->retry_after_s)) : kBusyRest);
  // An answer in one piece is waited for to the end: a server that was silent all that time failed.
  bool silent = verdict == Verdict::kOver && !exchange.outcome.streamed;
  if (!is_fault(verdict) && !silent) return;
  call.failed(now);
  health_.look_again();
}

io::Task<Result<void>> Dispatcher::call(exchange::Exchange& exchange, exchange::AnswerStream& stream) {
  if (exchange.route.targets.empty()) co_return fail_internal(ErrorCode::kInternal, "route without targets");
  io::Loop& loop = exchange.loop;
  io::Cancel scope(exchange.cancel);
  io::Timeout total(scope, io::CancelReason::kTotalTimeout);
  Duration total_limit = exchange.route.targets.front().timeouts.total;
  MonoTime deadline = loop.recent() + total_limit;
  loop.arm(total, total_limit);
  budget_.deposit();

  Delivery delivery(exchange, stream, keeps_beginning(exchange));
  Journey journey(exchange.route, settings_.retries, health_, budget_, loop.random());
  Result<void> outcome;
  std::optional<Error> broke_off;  // why the answer that had begun did
  for (;;) {
    bool can_go_on = delivery.keeps() && delivery.transcript().can_go_on(signs_thoughts(exchange.dialect));
    bool begun = exchange.outcome.streamed && !WEIR_MUTATE(kResendAfterBytes);
    std::optional<Journey::Stop> stop = journey.next(loop.recent(), begun, can_go_on);
    if (!stop || (stop->pause > Duration{} && loop.now() + stop->pause >= deadline)) break;
    if (stop->pause > Duration{} && !co_await io::sleep(loop, stop->pause, scope)) {
      outcome = Unexpected(scope.reason() == io::CancelReason::kTotalTimeout ? total_timeout()
                                                                             : scope_error(scope));
      break;
    }
    if (delivery.begun()) {
      if (!broke_off) broke_off = outcome.error();
      ++exchange.outcome.continuations;
      delivery.spend();
    } else if (exchange.outcome.attempts > 0) {
      delivery.drop();
    }
    if (stop->again) {
      ++exchange.outcome.retries;
      counters_.retried(stop->target->provider, stop->target->model);
    }
    // What stands of the last attempt is answered only when nobody is left to ask.
    exchange.outcome.error.reset();
    exchange.answer.reset();
    Breaker::Call call = stop->breaker ? stop->breaker->begin() : Breaker::Call();
    outcome = co_await attempt(*stop, exchange, delivery, call, scope);
    Verdict verdict = verdict_of(outcome, exchange, scope);
    const Error* error = error_of(outcome, exchange);
    judge(verdict, error, exchange, call);
    journey.note(verdict, error ? Duration(seconds(error->retry_after_s)) : Duration{});
    if (verdict == Verdict::kGood && broke_off)
      counters_.went_on(stop->target->provider, stop->target->model);
  }
  delivery.settle();
  // Why nobody could go on is not the caller's to hear: why its answer broke off is.
  if (broke_off && error_of(outcome, exchange) && !scope.requested()) {
    exchange.answer.reset();
    exchange.outcome.error.reset();
    outcome = Unexpected(*std::move(broke_off));
  }
  if (degrade(exchange, outcome, delivery)) {
    counters_.degraded(exchange.route.model);
    outcome = {};
  }
  exchange.timeline.last_byte = loop.now();
  co_return outcome;
}

std::vector<std::string> Dispatcher::not_ready() const {
  std::vector<std::string> reasons;
  for (auto& provider : providers_)
    if (std::string reason = provider->not_ready(); !reason.empty()) reasons.push_back(std::move(reason));
  return reasons;
}

void Dispatcher::retire() {
  health_.stop();
  for (auto& provider : providers_)
    provider->retire();
}

}  // namespace weir::upstream
