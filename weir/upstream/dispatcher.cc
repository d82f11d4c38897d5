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

// Is a second target asked as well when the first is silent? What passes through may do something twice.
bool is_hedged(const exchange::Exchange& exchange) {
  const exchange::Route& route = exchange.route;
  return !exchange.pass && route.settings && route.settings->hedge > milliseconds(0) &&
         route.targets.size() > 1;
}

// Thoughts that this dialect's callers send back must have been ended by the model that signed them.
bool signs_thoughts(exchange::Dialect dialect) {
  return dialect == exchange::Dialect::kAnthropic || dialect == exchange::Dialect::kResponses;
}

// How an attempt failed: by an error, or by an answer that is a refusal.
struct Failure {
  Result<void> outcome;
  std::optional<exchange::Answer> answer;
  std::optional<Error> refusal;
};

// How an answer that had begun ended.
struct BrokenOff {
  Error error;
  Delivery::ErrorEvent event;
};

constexpr Duration kBusyRest = seconds(1);  // of a busy target that names no time

}  // namespace

Dispatcher::Dispatcher(io::Loop& loop, std::vector<std::unique_ptr<Provider>> providers,
                       const Settings& settings, FailureCounters& counters, ThoughtPins& pins)
    : providers_(std::move(providers)),
      settings_(settings),
      counters_(counters),
      pins_(pins),
      health_(loop, settings),
      discovery_(loop, providers_, settings),
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

// The target whose thoughts a conversation carries: the last one that signed any. nullptr: none, or unknown.
const exchange::Target* Dispatcher::signer(const exchange::Exchange& exchange) const {
  if (exchange.pass || exchange.operation != exchange::Operation::kChat ||
      exchange.route.targets.size() < 2 ||
      !may_hold_signatures(exchange.dialect, exchange.request.document.bytes))
    return nullptr;
  auto asked = wire::wire_of(exchange.dialect).read_chat(exchange.operation, exchange.request);
  if (!asked) return nullptr;
  const exchange::Target* found = nullptr;
  for (const exchange::chat::Message& message : asked->messages)
    for (std::string_view signature : signatures_of(message.parts))
      if (const exchange::Target* target = pins_.find(signature, exchange.route.targets)) found = target;
  return found;
}

// Before another goes on with the answer: what it holds until then is one target's.
void Dispatcher::note_signatures(const exchange::Exchange& exchange, const Delivery& delivery) {
  if (exchange.outcome.continuations > 0) return;
  if (exchange.pass || exchange.operation != exchange::Operation::kChat || exchange.route.targets.size() < 2)
    return;
  const exchange::Outcome& outcome = exchange.outcome;
  auto note = [&](const exchange::chat::Answer& answer) {
    for (const auto& choice : answer.choices)
      for (std::string_view signature : signatures_of(choice.parts))
        pins_.note(signature, outcome.provider, outcome.provider_model);
  };
  if (delivery.begun()) return note(delivery.transcript().said());
  if (!exchange.answer || !may_hold_signatures(exchange.dialect, exchange.answer->body)) return;
  json::Parser parser;
  json::PaddedBuffer body(exchange.answer->body);
  exchange::chat::Collector collected;
  auto document = parser.parse(body.view());
  if (document && wire::wire_of(exchange.dialect).read_answer(*document, collected)) note(collected.answer);
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

// ----------------------------------------------------------------------------------- hedging

io::Task<void> Dispatcher::ask_side(Asked& asked, Hedge& hedge, Hedge::Side side) {
  asked.outcome = co_await attempt(asked.stop, asked.exchange, asked.delivery, asked.call, hedge.scope(side));
  asked.over = true;
  // A refusal of the request is the answer, too: another target would say the same.
  Verdict verdict = verdict_of(asked.outcome, asked.exchange, hedge.scope(side));
  if (verdict == Verdict::kGood || verdict == Verdict::kRefused) hedge.claim(side);
  hedge.changed().notify();
}

// Both sides end in here.
io::Task<void> Dispatcher::ask_both(Asked& first, std::unique_ptr<Asked>& second, Hedge& hedge,
                                    Journey& journey) {
  struct Bell final : io::Timer {
    explicit Bell(Hedge& h) : hedge(h) {}
    void on_timer() override {
      rung = true;
      hedge.changed().notify();
    }
    Hedge& hedge;
    bool rung = false;
  } bell(hedge);
  io::Loop& loop = first.exchange.loop;
  io::TaskGroup sides;
  io::Cancel never;  // a side that is cancelled ends, and that is waited for
  sides.start(ask_side(first, hedge, Hedge::kFirst));
  loop.arm(bell, first.exchange.route.settings->hedge);
  while (!first.over && hedge.winner() == Hedge::kNobody && !bell.rung)
    co_await hedge.changed().wait(never);
  if (!first.over && hedge.winner() == Hedge::kNobody)
    if (std::optional<Journey::Stop> stop = journey.beside(loop.recent())) {
      hedge.open_second();
      second = std::make_unique<Asked>(*stop, hedge.second_exchange(), hedge.second_delivery(),
                                       stop->breaker ? stop->breaker->begin() : Breaker::Call());
      sides.start(ask_side(*second, hedge, Hedge::kSecond));
    }
  co_await sides.idle();
  if (!second) co_return;
  first.exchange.outcome.attempts = second->exchange.outcome.attempts;
  bool won = hedge.winner() == Hedge::kSecond;
  bool given_up = hedge.scope(Hedge::kSecond).reason() == io::CancelReason::kAbandoned;
  counters_.hedged(second->stop.target->provider, second->stop.target->model,
                   won        ? "won"
                   : given_up ? "lost"
                              : "failed");
}

// Of a side that was not given up for the other.
Verdict Dispatcher::note(Asked& asked, const io::Cancel& scope, Journey& journey) {
  Verdict verdict = verdict_of(asked.outcome, asked.exchange, scope);
  const Error* error = error_of(asked.outcome, asked.exchange);
  judge(verdict, error, asked.exchange, asked.call);
  journey.stand_at(*asked.stop.target);
  journey.note(verdict, error ? Duration(seconds(error->retry_after_s)) : Duration{});
  return verdict;
}

// -------------------------------------------------------------------------------------- call

io::Task<Result<void>> Dispatcher::call(exchange::Exchange& exchange, exchange::AnswerStream& stream) {
  if (exchange.route.targets.empty()) co_return fail_internal(ErrorCode::kInternal, "route without targets");
  io::Loop& loop = exchange.loop;
  io::Cancel scope(exchange.cancel);
  io::Timeout total(scope, io::CancelReason::kTotalTimeout);
  Duration total_limit = exchange.route.targets.front().timeouts.total;
  MonoTime deadline = loop.recent() + total_limit;
  loop.arm(total, total_limit);
  budget_.deposit();

  const exchange::Target* pinned = signer(exchange);
  const bool keeps = keeps_beginning(exchange);
  // What few requests need is kept apart: an open stream holds this frame as long as it lasts.
  std::unique_ptr<Hedge> hedge;
  if (!pinned && is_hedged(exchange)) hedge = std::make_unique<Hedge>(exchange, stream, scope);
  // The request of a hedged call is kept: both sides read it.
  Delivery own(exchange, hedge ? hedge->stream(Hedge::kFirst) : stream, keeps || hedge);
  // Who answers, and where to: the second side of a hedged call once it has won.
  exchange::Exchange* x = &exchange;
  Delivery* delivery = &own;
  Journey journey(exchange.route, pinned, settings_.retries, health_, budget_, loop.random());
  Result<void> outcome;
  std::unique_ptr<Failure> earlier;       // of a target that did not just find the thoughts foreign
  std::unique_ptr<BrokenOff> broken_off;  // why the answer that had begun did
  for (;;) {
    bool can_go_on =
        keeps && delivery->keeps() && delivery->transcript().can_go_on(signs_thoughts(x->dialect));
    bool begun = x->outcome.streamed && !WEIR_MUTATE(kResendAfterBytes);
    std::optional<Journey::Stop> stop = journey.next(loop.recent(), begun, can_go_on);
    if (!stop || (stop->pause > Duration{} && loop.now() + stop->pause >= deadline)) break;
    if (stop->pause > Duration{} && !co_await io::sleep(loop, stop->pause, scope)) {
      outcome = Unexpected(scope.reason() == io::CancelReason::kTotalTimeout ? total_timeout()
                                                                             : scope_error(scope));
      break;
    }
    if (delivery->begun()) {
      if (!broken_off) broken_off = std::make_unique<BrokenOff>(outcome.error(), delivery->error_event);
      ++x->outcome.continuations;
      delivery->spend();
    } else if (x->outcome.attempts > 0) {
      delivery->drop();
    }
    if (stop->again) {
      ++x->outcome.retries;
      counters_.retried(stop->target->provider, stop->target->model);
    }
    // What stands of the last attempt is answered only when nobody is left to ask.
    x->outcome.error.reset();
    x->answer.reset();
    delivery->error_event = {};
    Asked asked{*stop, *x, *delivery, stop->breaker ? stop->breaker->begin() : Breaker::Call(), {}};
    std::unique_ptr<Asked> second;
    if (hedge && x->outcome.attempts == 0)
      co_await ask_both(asked, second, *hedge, journey);
    else
      asked.outcome = co_await attempt(*stop, *x, *delivery, asked.call, scope);
    Asked* last = &asked;
    if (second) {
      bool second_won = hedge->winner() == Hedge::kSecond;
      last = second_won ? &*second : &asked;
      if (second_won) {
        x = &second->exchange;
        delivery = &second->delivery;
      }
      Asked& other = second_won ? asked : *second;
      if (hedge->scope(second_won ? Hedge::kFirst : Hedge::kSecond).reason() !=
          io::CancelReason::kAbandoned) {
        note(other, scope, journey);
      } else if (second_won) {  // given up because it was silent: not asked again, and no fault either
        journey.stand_at(*other.stop.target);
        journey.note(Verdict::kSilent, {});
      }
    }
    Verdict verdict = note(*last, scope, journey);
    outcome = last->outcome;
    if (verdict == Verdict::kGood && broken_off)
      counters_.went_on(last->stop.target->provider, last->stop.target->model);
    if (verdict == Verdict::kGood || delivery->begun()) note_signatures(*x, *delivery);
    if (verdict != Verdict::kGood && error_of(outcome, *x)->reason != kForeignThoughts)
      earlier = std::make_unique<Failure>(outcome, x->answer, x->outcome.error);
  }
  delivery->settle();
  // That the others found the thoughts foreign is not why it failed: that who signed them could not answer
  // is.
  if (const Error* error = error_of(outcome, *x); error && error->reason == kForeignThoughts && earlier) {
    outcome = std::move(earlier->outcome);
    x->answer = std::move(earlier->answer);
    x->outcome.error = std::move(earlier->refusal);
  }
  // Why nobody could go on is not the caller's to hear: why its answer broke off is.
  if (broken_off && error_of(outcome, *x) && !scope.requested()) {
    x->answer.reset();
    x->outcome.error.reset();
    delivery->error_event = std::move(broken_off->event);
    outcome = Unexpected(std::move(broken_off->error));
  }
  if (degrade(*x, outcome, *delivery)) {
    counters_.degraded(exchange.route.model);
    outcome = {};
  }
  if (!outcome && outcome.error().reason == "upstream_error_event") {
    stream.error_event(delivery->error_event.raw);
    if (!delivery->begun() && !delivery->error_event.body.empty()) {  // there is no stream yet: an answer
      x->answer = exchange::Answer{
          http_status(outcome.error().code), "application/json", {}, std::move(delivery->error_event.body)};
      x->outcome.error = std::move(outcome).error();
      outcome = {};
    }
  }
  if (x != &exchange) hedge->adopt();
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
