#include "weir/app/sim/invariants.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::app::sim {
namespace {

// Sent by a model server and not yet seen by the client: two connections' buffers, the gateway's inbox and
// the events it is about to write.
constexpr int64_t kUnderwayBytesMax = 1 << 20;

}  // namespace

std::string_view name(End end) {
  static constexpr std::string_view kNames[] = {"open", "answered", "broken",  "unread",
                                                "left", "gave_up",  "not_sent"};
  return kNames[static_cast<size_t>(end)];
}

Ledger::Ledger(io::sim::Universe& universe, Troubles& troubles)
    : universe_(universe), troubles_(troubles), start_(universe.now()) {
  for (size_t m = 0; m < troubles.plan().models; ++m)
    watchers_.emplace_back(*this, m);
}

MockWatcher& Ledger::watcher(size_t i) {
  return watchers_[i];
}

Case* Ledger::find(int64_t tag) {
  return tag >= 0 && static_cast<size_t>(tag) < cases_.size() ? &cases_[static_cast<size_t>(tag)] : nullptr;
}

void Ledger::violated(std::string what) {
  if (!violation_.empty()) return;
  violation_ = fmt::format("{:.6f} s: {}", to_seconds(universe_.now() - start_), what);
  if (universe_.tracing()) universe_.trace("VIOLATED", what);
}

void Ledger::violated(const Case& c, std::string what) {
  violated(fmt::format("{}: {} [{}; {} at replica weir-{}, {} calls, {} words sent, {} received{}{}]",
                       c.client, what, c.ask.summary(), name(c.end), c.replica, c.calls, c.words_sent,
                       c.words_got, c.status ? fmt::format(", status {}", c.status) : "",
                       c.error.empty() ? "" : ", error " + c.error));
}

// ------------------------------------------------------------------------------- the client's side

Case& Ledger::open(Ask ask, size_t replica, std::string client, MonoTime visit, Manner manner) {
  Case& c = cases_.emplace_back();
  ask.tag = static_cast<int64_t>(cases_.size()) - 1;
  c.ask = std::move(ask);
  c.replica = replica;
  c.client = std::move(client);
  c.visit = visit;
  c.opened = universe_.now();
  c.manner = manner;
  return c;
}

void Ledger::progress(Case& c, const AnswerReader& reader) {
  c.words_got = reader.words();
  c.status = reader.status();
  c.error = reader.error();
  c.done = reader.done();
  c.continuations = reader.continuations();
  c.request_id = reader.request_id();
  if (!reader.wrong().empty()) violated(c, reader.wrong());
}

void Ledger::close(Case& c, End end, const AnswerReader& reader) {
  if (c.end != End::kOpen) return violated(c, "ended twice");
  progress(c, reader);
  c.end = end;
  c.ended = universe_.now();
  if (c.ask.account) judge_key(c);
  if (universe_.tracing())
    universe_.trace(c.client, fmt::format("request {} {}{}{}{}", c.ask.tag, name(end),
                                          c.status ? fmt::format(" {}", c.status) : "",
                                          c.error.empty() ? "" : " " + c.error,
                                          c.words_got ? fmt::format(", {} words", c.words_got) : ""));
  switch (end) {
    case End::kOpen:
    case End::kLeft:
      break;
    case End::kAnswered:
      judge_answer(c, reader);
      break;
    case End::kUnread:
      if (!c.manner.pipelined) violated(c, "a kept connection was closed without an answer");
      break;
    case End::kBroken:
      if (!break_explained(c)) violated(c, "the connection broke and nothing explains it");
      break;
    case End::kNotSent:
      if (!break_explained(c) && troubles_.plan().faults.refused == 0)
        violated(c, "no connection and nothing explains it");
      break;
    case End::kGaveUp:
      if (troubles_.honest(c.visit, c.replica) && !troubles_.throttled().any(c.visit) &&
          !c.manner.slow_reader)
        violated(c, fmt::format("nothing came for {:.3f} s", to_seconds(universe_.now() - c.opened)));
      break;
  }
}

// The answer came in order: it is the one the script leads to, or an error that the world explains.
void Ledger::judge_answer(const Case& c, const AnswerReader& reader) {
  Ask::Natural natural = c.ask.natural();
  if (c.status == 200 && c.error.empty()) {
    // A stream that broke off may be gone on with; whatever failed may do better at another model server.
    bool made_good = c.calls > 1 || troubles_.any_sick(c.opened);
    if (!natural.well && !made_good)
      return violated(c, "an answer that ended well, but the model server's did not");
    if (c.words_got != c.ask.words) return violated(c, "an answer that ended well without all of its words");
    if (reader.event_stream() != c.ask.stream)
      return violated(c, "not the kind of answer that was asked for");
    if (c.ask.stream && !reader.finished())
      return violated(c, "a stream that ended well without finish_reason");
    if (reader.done() && !natural.done && !made_good) return violated(c, "an invented [DONE]");
    // A stream cut between its finish_reason and [DONE] ended well: all of the answer came.
    if (c.ask.stream && !reader.done() && natural.done && !cut_explained(c))
      return violated(c, "the stream's [DONE] is missing");
    if (c.request_id.empty() || c.request_id != c.called_id)
      return violated(c, "an answer without its x-weir-request-id");
    return;
  }
  if (c.error.empty()) return violated(c, "an error without a code");
  if (c.ask.account && c.error == "invalid_api_key") return;  // judge_key() has looked at it
  if (!c.request_id.empty() && !c.called_id.empty() && c.request_id != c.called_id)
    return violated(c, "the answer bears another request's id");
  // Going on takes time, again and again if need be; so does waiting for the connection to go on over.
  if (!natural.well && (c.calls > 1 || troubles_.plan().tight()) && c.error == "total_timeout") return;
  bool natural_error = std::ranges::any_of(
      natural.reasons, [&](std::string_view reason) { return c.error.starts_with(reason); });
  if (!natural_error && !error_explained(c)) violated(c, "an error that nothing explains");
}

// Whatever became of it: that a model server was asked, or a good answer, says that the key was taken.
void Ledger::judge_key(const Case& c) {
  bool taken = c.calls > 0 || c.status == 200;
  if (taken && accounts_->must_be_refused(c.ask.key, c.replica, c.opened))
    return violated(c, "a revoked key was taken by a replica that could have heard of it");
  if (c.error == "invalid_api_key" && !accounts_->revoked(c.ask.key, c.ended))
    violated(c, "a key was refused that nobody revoked");
}

bool Ledger::cut_explained(const Case& c) const {
  return troubles_.any_model(c.opened) || troubles_.resets() || !troubles_.honest(c.visit, c.replica);
}

bool Ledger::error_explained(const Case& c) const {
  const Plan& plan = troubles_.plan();
  const std::string& e = c.error;
  bool model_died = troubles_.any_model(c.opened);
  bool dishonest = !troubles_.honest(c.visit, c.replica);
  if (sickness_explains(c)) return true;
  if (e == "connect_failed")
    return model_died || dishonest || troubles_.resets() || plan.faults.refused > 0 ||
           plan.faults.resolver_fails > 0;
  if (e == "connect_timeout") return dishonest || model_died;
  if (e == "queue_timeout" || e == "queue_full") return plan.tight();
  if (e == "closed_before_answer" || e == "stream_cut") return cut_explained(c);
  bool slow_client = c.manner.slow_reader || troubles_.throttled().any(c.visit);
  if (e == "total_timeout" && slow_client) return true;
  if (e == "headers_timeout" || e == "first_token_timeout" || e == "idle_timeout" || e == "total_timeout")
    return dishonest || model_died;
  if (e == "request_timeout") return c.manner.slow_sender || dishonest;
  if (e == "overloaded") return plan.limits.connections < 1000 || plan.limits.requests < 1000;
  if (e == "too_many_requests") return plan.limits.requests_per_client > 0;
  // Who waited for a process to begin comes all at once, before its store has had a turn.
  MonoTime lately = c.visit + -seconds(1);
  bool rush = plan.busy && (lately < start_ || troubles_.replica(c.replica).any(lately));
  if (e == "record_unavailable") return plan.records.refuse && (troubles_.disks_fail(c.visit) || rush);
  return false;
}

// While one model server fails everything, another one must answer: for this weir has several. But not what
// they both refuse, not for the rest of a stream that can not be gone on with, and not when the others had
// troubles of their own.
bool Ledger::sickness_explains(const Case& c) const {
  const Plan& plan = troubles_.plan();
  if (!troubles_.any_sick(c.opened)) return false;
  const io::sim::Faults& f = plan.faults;
  bool calm = f.reset == 0 && f.refused == 0 && f.resolver_fails == 0 && !plan.lies() && !plan.tight() &&
              troubles_.honest(c.visit, c.replica);
  bool several = c.ask.model != "last" && plan.models > 1;
  bool can_go_on = c.ask.kind == Ask::Kind::kChat || !c.ask.stream;
  if (!calm || !several || !can_go_on || troubles_.well(c.opened) == 0) return true;
  if (!c.ask.natural().well) return true;
  // A silent one costs its time, and then the rest may be too slow.
  return c.error == "total_timeout";
}

bool Ledger::break_explained(const Case& c) const {
  return troubles_.replica(c.replica).any(c.visit) || troubles_.resets() ||
         !troubles_.honest(c.visit, c.replica) || c.manner.slow_reader || c.manner.slow_sender ||
         troubles_.throttled().any(c.visit) || troubles_.plan().limits.connections < 1000;
}

// -------------------------------------------------------------------------- the model servers' side

void Ledger::call_begins(size_t model, int64_t tag, std::string_view request_id, bool goes_on) {
  if (tag < 0) {  // a request that was nonsense to the client, but not to weir
    untagged_.emplace(request_id);
    return;
  }
  Case* c = find(tag);
  if (!c) return violated(fmt::format("model-{} was asked for request {}, which nobody sent", model, tag));
  if (request_id.empty()) violated(*c, "a call without X-Weir-Request-Id");
  if (!c->called_id.empty() && c->called_id != request_id) violated(*c, "one request became two");
  // A hedged request has two calls from the beginning; and what a partition held up arrives when it is over,
  // though it was given up long ago.
  bool in_order = troubles_.plan().failing.hedge == Duration{} && troubles_.honest(c->visit, c->replica);
  if (c->words_got > 0 && !goes_on && in_order)
    violated(*c, fmt::format("model-{} was asked anew though words of an answer had gone out", model));
  if (c->calls == 0) ++asked_;
  if ((c->asked >> model & 1U) != 0 && !goes_on) ++asked_again_;
  c->asked |= 1U << model;
  c->called_id = request_id;
  ++c->calls;
  ++c->calls_open;
  watchers_[model].open.push_back(tag);
  if (universe_.tracing())
    universe_.trace(fmt::format("model-{}", model), fmt::format("begins request {}", tag));
}

void Ledger::words_sent(int64_t tag, int64_t words) {
  Case* c = find(tag);
  if (!c) return;
  c->words_sent = std::max(c->words_sent, words);
  int64_t underway = (c->words_sent - c->words_got) * c->ask.word_bytes;
  if (c->end == End::kOpen && underway > kUnderwayBytesMax)
    violated(*c, fmt::format("{} bytes are buffered between model server and client", underway));
}

void Ledger::call_ends(size_t model, int64_t tag) {
  std::vector<int64_t>& open = watchers_[model].open;
  auto at = std::ranges::find(open, tag);
  if (at == open.end()) return;  // its process died
  open.erase(at);
  --find(tag)->calls_open;
  if (universe_.tracing())
    universe_.trace(fmt::format("model-{}", model), fmt::format("has done request {}", tag));
}

void Ledger::forget_calls(size_t model) {
  for (int64_t tag : watchers_[model].open)
    --find(tag)->calls_open;
  watchers_[model].open.clear();
}

void Ledger::check() {
  Duration bound = troubles_.plan().slack();
  for (Watcher& w : watchers_)
    for (int64_t tag : w.open) {
      const Case& c = *find(tag);
      if (c.end == End::kOpen || universe_.now() - c.ended < bound || !troubles_.honest(c.visit, c.replica))
        continue;
      return violated(c, fmt::format("model-{} still works for it {:.3f} s after its end", w.model,
                                     to_seconds(universe_.now() - c.ended)));
    }
}

std::map<std::string, uint64_t> Ledger::outcomes() const {
  std::map<std::string, uint64_t> counts;
  for (const Case& c : cases_)
    ++counts[c.end == End::kAnswered ? (c.error.empty() ? "answered" : "error") : std::string(name(c.end))];
  return counts;
}

}  // namespace weir::app::sim
