#include "weir/upstream/dispatcher.h"

#include <fmt/format.h>

#include "weir/base/mutation.h"

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

}  // namespace

Dispatcher::Dispatcher(std::vector<std::unique_ptr<Provider>> providers) : providers_(std::move(providers)) {}

Provider* Dispatcher::find(std::string_view name) const {
  for (auto& provider : providers_)
    if (provider->name() == name) return provider.get();
  return nullptr;
}

io::Task<Result<void>> Dispatcher::call(exchange::Exchange& exchange, exchange::AnswerStream& stream) {
  Result<void> outcome;
  io::Cancel scope(exchange.cancel);
  io::Timeout total(scope, io::CancelReason::kTotalTimeout);
  if (exchange.route.targets.empty())
    outcome = fail_internal(ErrorCode::kInternal, "route without targets");
  else
    exchange.loop.arm(total, exchange.route.targets.front().timeouts.total);

  for (const exchange::Target& target : exchange.route.targets) {
    Provider* provider = find(target.provider);
    if (!provider) {
      outcome = fail_internal(ErrorCode::kInternal, fmt::format("no provider '{}'", target.provider));
      continue;
    }
    ++exchange.outcome.attempts;
    exchange.outcome.provider = target.provider;
    exchange.outcome.provider_model = target.model;
    exchange.outcome.endpoint = {};
    outcome = co_await provider->call(exchange, target, stream, scope);
    if (outcome) {
      // A refusal that says "busy" or "broken" is passed on only when nobody is left to ask.
      std::optional<Error>& refusal = exchange.outcome.error;
      bool last = &target == &exchange.route.targets.back();
      if (!refusal || !refusal->retryable || last || scope.requested()) break;
      refusal.reset();
      exchange.answer.reset();
      continue;
    }
    if (scope.reason() == io::CancelReason::kTotalTimeout) outcome = Unexpected(total_timeout());
    explain(outcome.error(), target.provider);
    bool settled = exchange.outcome.streamed || !outcome.error().retryable;
    if (WEIR_MUTATE(kResendAfterBytes) && exchange.outcome.streamed) settled = false;
    if (scope.requested() || settled) break;
  }
  exchange.timeline.last_byte = exchange.loop.now();
  co_return outcome;
}

std::vector<std::string> Dispatcher::not_ready() const {
  std::vector<std::string> reasons;
  for (auto& provider : providers_)
    if (std::string reason = provider->not_ready(); !reason.empty()) reasons.push_back(std::move(reason));
  return reasons;
}

void Dispatcher::retire() {
  for (auto& provider : providers_)
    provider->retire();
}

}  // namespace weir::upstream
