#include "weir/quota/bank.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "weir/base/assert.h"
#include "weir/base/mutation.h"

namespace weir::quota {
namespace {

constexpr size_t kTurnsMax = 256;              // of one call
constexpr Duration kIdle = seconds(1);         // after which a meter lets its slice go
constexpr Duration kAgain = milliseconds(20);  // between turns of a meter that got less than it needs
constexpr Duration kFewerAfter = seconds(2);   // and a lease: until all have found a store that is back
constexpr Duration kLookEvery = seconds(10);   // for what nobody asked about
constexpr int64_t kTicksAhead = 10;            // of use that a slice is for
constexpr int64_t kPartMost = 100, kRatePartMost = 10;

}  // namespace

BankMetrics register_bank_metrics(telemetry::Registry& registry) {
  BankMetrics m;
  m.turns = registry.add_counter("weir_lease_turns_total", "Turns of limits that replicas share.");
  m.errors = registry.add_counter("weir_lease_errors_total", "Calls of the store of leases that failed.");
  m.alone =
      registry.add_gauge("weir_lease_alone", "Limits that go on with a local share, the store being away.");
  m.unleased_money = registry.add_counter("weir_unleased_nanodollars_total",
                                          "Spent on a local share while the store was away.");
  m.unleased_tokens = registry.add_counter("weir_unleased_tokens_total",
                                           "Tokens used on a local share while the store was away.");
  return m;
}

Bank::Bank(io::Loop& loop, std::unique_ptr<store::LeaseStore> store, MeterTable& meters,
           telemetry::Registry& registry, const BankMetrics& metrics, Say say, Options options)
    : loop_(loop), store_(std::move(store)), meters_(meters), say_(std::move(say)), options_(options) {
  telemetry::Shard& shard = registry.add_shard();
  alone_ = shard.series(metrics.alone, {});
  std::tie(turns_, errors_, unleased_money_, unleased_tokens_) =
      shard.series_of({}, metrics.turns, metrics.errors, metrics.unleased_money, metrics.unleased_tokens);
  meters_.share();
}

Bank::~Bank() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void Bank::start(std::vector<Renewals*> cores) {
  cores_ = std::move(cores);
  look_for_untold();
  tasks_.start(keep());
}

namespace {

// Goes to another loop and comes back: behind all that was posted to it before.
struct Visit {
  io::Loop& from;
  io::Loop& to;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    to.post([home = &from, h] { home->post([h] { h.resume(); }); });
  }
  void await_resume() {}
};

}  // namespace

io::Task<void> Bank::finish() {
  ending_.request(io::CancelReason::kShutdown);
  clock_.disarm();
  co_await tasks_.idle();
  if (!down_) co_await round(true, true);
  for (Renewals* core : cores_)  // whatever they were told they have heard
    co_await Visit{loop_, core->loop()};
}

std::vector<std::string> Bank::warnings() const {
  if (!failing_.load(std::memory_order_relaxed)) return {};
  return {"the store of shared limits is away, each replica goes on with its share; the log says why"};
}

// ------------------------------------------------------------------------------------ asking

void Bank::want(Meter& meter) {
  if (meter.want_lease()) loop_.post([this, &meter] { asked_for(meter); });
}

void Renewals::ask(Meter& meter) {
  bank_.want(meter);
}

io::Task<bool> Renewals::wait(Meter& meter, Duration most, io::Cancel& cancel) {
  bank_.want(meter);
  io::Cancel within(cancel);
  io::Timeout bound(within, io::CancelReason::kQueueTimeout);
  loop_.arm(bound, most);
  co_return co_await renewed_.wait(within);
}

Bank::Record& Bank::record(Meter& meter) {
  std::unique_ptr<Record>& r = records_[&meter];
  if (!r) {
    r = std::make_unique<Record>();
    r->meter = &meter;
    r->began = meter.spent();
  }
  if (!r->active) {
    r->active = true;
    r->last_use = loop_.now();
    r->used = meter.used();
    r->rates_used = meter.rates_used();
    active_.push_back(r.get());
  }
  return *r;
}

void Bank::asked_for(Meter& meter) {
  Record& r = record(meter);
  r.asked = true;
  r.last_use = loop_.now();
  if (down_ && loop_.now() < retry_at_) {  // it is known to be away
    go_alone(r);
    r.asked = false;
    tell_cores();
    return;
  }
  wanted_.notify();
}

void Bank::tell_cores() {
  for (Renewals* core : cores_)
    core->loop().post([core] { core->renewed(); });
}

// ------------------------------------------------------------------------------------ rounds

io::Task<void> Bank::keep() {
  while (!ending_.requested()) {
    MonoTime at = loop_.now();
    MonoTime due = down_ ? retry_at_ : active_.empty() ? looked_at_ + kLookEvery : full_at_ + options_.turn;
    bool asked =
        std::ranges::any_of(active_, [&](const Record* r) { return r->asked && r->not_before <= at; });
    if (!asked && due > at) {
      Duration pause = due - at;
      for (const Record* r : active_)
        if (r->asked) pause = std::min(pause, std::max<Duration>(r->not_before - at, milliseconds(1)));
      if (down_) pause = std::min<Duration>(pause, options_.turn);  // leases end meanwhile
      loop_.arm(clock_, pause);
      if (!co_await wanted_.wait(ending_)) break;
      clock_.disarm();
      end_leases();
      continue;
    }
    end_leases();
    if (down_ && retry_at_ > at) {  // asked for, and nobody to ask
      for (Record* r : active_)
        if (std::exchange(r->asked, false)) go_alone(*r);
      tell_cores();
      continue;
    }
    co_await round(due <= at, false);
  }
}

io::Task<void> Bank::round(bool all, bool last) {
  Moment at = now();
  if (all) full_at_ = at.mono;
  if (at.mono - looked_at_ >= kLookEvery) look_for_untold();
  if (down_ && active_.empty() && missed_) record(*missed_);  // somebody has to find out
  std::vector<Record*> chosen;
  std::vector<store::LeaseTurn> turns;
  for (Record* r : active_) {
    if (!last && !all && !(r->asked && r->not_before <= at.mono)) continue;
    if (all) measure(*r, at.mono);
    r->asked = false;
    chosen.push_back(r);
    turns.push_back(r->meter->begin_turn(last ? Meter::Wants{} : wants(*r), at));
    turns.back().epoch = r->epoch;
    turns.back().turn = ++r->turn;
  }
  io::Cancel never;  // a round is bounded by the store's own patience
  bool well = true, any = false;
  for (size_t from = 0; from < turns.size() && well; from += kTurnsMax) {
    std::span<const store::LeaseTurn> part(turns.data() + from, std::min(kTurnsMax, turns.size() - from));
    MonoTime sent = loop_.now();
    auto grants = co_await store_->take(part, last ? milliseconds(1) : options_.lease, never);
    if (!grants) {
      failed(grants.error());
      missed_ = chosen[from]->meter;
      well = false;
      for (size_t i = from; i < chosen.size(); ++i)  // what it had is used up, or was never there
        if (chosen[i]->meter->lease_ended(loop_.now()) ||
            turns[i].budgets[0].need + turns[i].budgets[1].need > 0 || turns[i].streams.need > 0 ||
            std::ranges::any_of(turns[i].rates, [](const auto& r) { return r.need > 0; }))
          go_alone(*chosen[i]);
      break;
    }
    any = true;
    for (size_t i = 0; i < part.size(); ++i)
      take(*chosen[from + i], part[i], (*grants)[i], sent + (options_.lease - options_.margin));
  }
  if (well && any && std::exchange(down_, false)) came_back();
  if (last) co_return;
  std::erase_if(active_, [](Record* r) {
    if (r->quiet && !r->asked && !r->holds) r->active = false;
    return !r->active;
  });
  double alone = 0;
  for (const Record* r : active_)
    alone += r->alone;
  alone_.set(alone);
  tell_cores();
}

// What was used lately, as of two seconds.
void Bank::measure(Record& r, MonoTime at) {
  auto follow = [](auto& flow, auto& before, const auto& used) {
    bool any = false;
    for (size_t i = 0; i < used.size(); ++i) {
      int64_t more = std::max<int64_t>(used[i] - before[i], 0);
      flow[i] = std::max(more * kTicksAhead, flow[i] * 4 / 5);
      any = any || used[i] != before[i];
    }
    before = used;
    return any;
  };
  bool budgets = follow(r.flow, r.used, r.meter->used());
  bool rates = follow(r.rates_flow, r.rates_used, r.meter->rates_used());
  if (budgets || rates || r.meter->streams() > 0) r.last_use = at;
  r.quiet = at - r.last_use >= kIdle;
}

Meter::Wants Bank::wants(const Record& r) const {
  Meter::Wants wants;
  if (r.quiet || (r.grant && r.grant->scarce)) return wants;
  int64_t replicas = r.replicas > 0 ? r.replicas : replicas_;
  for (size_t k = 0; k < wants.budgets.size(); ++k) {
    int64_t most = r.flow[k];
    if (r.told) {
      for (int64_t limit : r.told->budgets[k].limits)
        if (limit >= 0) most = std::min(most, limit / kPartMost);
      // Towards the end of what there is, less.
      const store::BudgetGrant& g = r.grant->budgets[k];
      int64_t left = r.told->budgets[k].spent[2] + g.held + g.free - r.meter->used()[k];
      most = std::min(most, std::max<int64_t>(left, 0) / (2 * replicas));
    }
    wants.budgets[k] = most;
  }
  for (size_t i = 0; i < wants.rates.size(); ++i) {
    wants.rates[i] = r.rates_flow[i];
    if (r.told) wants.rates[i] = std::min(wants.rates[i], r.told->rates[i].per_minute / kRatePartMost);
  }
  if (r.meter->streams() > 0) wants.streams = std::max<int64_t>(r.meter->streams() / 4, 1);
  return wants;
}

// A store that was away counts those only that have asked it again. Would it go once more, one that believed
// it would take for itself what all of them may: fewer than there were are believed after a while.
void Bank::count_replicas(Record& r, int64_t granted) {
  MonoTime at = loop_.now();
  bool settled = !down_ && at - std::max(r.counted_at, back_at_) > options_.lease + kFewerAfter;
  if (granted >= r.replicas || settled) {
    r.replicas = replicas_ = granted;
    r.counted_at = at;
  }
}

void Bank::take(Record& r, const store::LeaseTurn& turn, const store::LeaseGrant& grant, MonoTime until) {
  turns_.add();
  if (grant.stale) {
    r.epoch = 0;
    r.asked = true;
    r.not_before = loop_.now() + kAgain;
    return;
  }
  // What was spent since the store was told last, or is under way: nothing held it meanwhile.
  if (r.alone || (r.told && r.holds && r.meter->lease_ended(loop_.now())))
    for (size_t k = 0; k < unleased_.size(); ++k) {
      int64_t told = r.told ? r.told->budgets[k].spent[2] : r.began[k];
      int64_t more = std::max<int64_t>(r.meter->used()[k] - told, 0);
      unleased_[k] += more;
      (k == 0 ? unleased_money_ : unleased_tokens_).add(static_cast<double>(more));
    }
  r.alone = false;
  r.epoch = grant.epoch;
  r.told = turn;
  r.grant = grant;
  count_replicas(r, std::max<int64_t>(grant.replicas, 1));
  r.meter->take_lease(turn, grant, now(), until);
  bool short_of = false, holds = false;
  for (size_t k = 0; k < turn.budgets.size(); ++k) {
    short_of = short_of || grant.budgets[k].held < turn.budgets[k].hold + turn.budgets[k].need;
    holds = holds || grant.budgets[k].held > 0;
  }
  holds = holds || grant.streams.held > 0;
  if (short_of) r.not_before = loop_.now() + kAgain;
  r.holds = holds;
}

// ------------------------------------------------------------------------------ store away

void Bank::failed(const Error& error) {
  errors_.add();
  if (trouble_ != error.message) {
    trouble_ = error.message;
    say_(true, "the store of shared limits is away, each replica goes on with its share: " + error.message);
  }
  down_ = true;
  failing_.store(true, std::memory_order_relaxed);
  retry_at_ = loop_.now() + options_.retry;
}

// It may have lost everything: what was told is told again.
void Bank::came_back() {
  trouble_.clear();
  failing_.store(false, std::memory_order_relaxed);
  say_(false, "the store of shared limits is back");
  looked_at_ = {};
  back_at_ = loop_.now();
}

void Bank::end_leases() {
  if (WEIR_MUTATE(kLeaseReused) || !down_) return;
  Moment at = now();
  for (Record* r : active_)
    if (r->meter->lease_ended(at.mono) || (r->alone && r->day != at.day)) go_alone(*r);
}

void Bank::go_alone(Record& r) {
  if (WEIR_MUTATE(kLeaseReused) && r.grant) return;
  Moment at = now();
  if (r.alone && r.day == at.day) return;
  r.meter->go_alone(r.told ? &*r.told : nullptr, r.grant ? &*r.grant : nullptr,
                    r.replicas > 0 ? r.replicas : replicas_, at);
  r.alone = true;
  r.day = at.day;
}

std::array<int64_t, store::kLeaseBudgets> Bank::untold(const Record& r) const {
  std::array<int64_t, store::kLeaseBudgets> more = r.meter->spent();
  for (size_t k = 0; k < more.size(); ++k)
    more[k] = std::max<int64_t>(more[k] - (r.told ? r.told->budgets[k].spent[2] : r.began[k]), 0);
  return more;
}

std::array<int64_t, store::kLeaseBudgets> Bank::unleased() const {
  std::array<int64_t, store::kLeaseBudgets> sum = unleased_;
  for (const Record* r : active_)
    if (r->alone)
      for (size_t k = 0; k < sum.size(); ++k)
        sum[k] += untold(*r)[k];
  return sum;
}

std::array<int64_t, store::kLeaseBudgets> Bank::at_risk() const {
  std::array<int64_t, store::kLeaseBudgets> sum{};
  for (const auto& [meter, r] : records_)
    if (!r->alone)
      for (size_t k = 0; k < sum.size(); ++k)
        sum[k] += untold(*r)[k];
  return sum;
}

// What a former run spent, or what was spent before there was a limit, is in nobody's sum yet; a store that
// lost what it knew while nothing was asked of it says so to nobody; and who looks at a budget wants all of
// it.
void Bank::look_for_untold() {
  looked_at_ = loop_.now();
  for (const auto& meter : meters_.limited()) {
    std::array<int64_t, store::kLeaseBudgets> spent = meter->spent();
    if (records_.contains(meter.get()) || spent[0] != 0 || spent[1] != 0) record(*meter);
  }
}

}  // namespace weir::quota
