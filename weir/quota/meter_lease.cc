// The side of a meter that its leases are fetched by (bank.h). A ceiling is lowered before `used` is read,
// and whoever reserves looks at the ceiling after it has changed `used`: so what the store is told is never
// less than what may be used while it answers.
#include <algorithm>

#include "weir/base/assert.h"
#include "weir/quota/meter.h"

namespace weir::quota {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;
constexpr Duration kFresh = seconds(1);
constexpr auto kRelaxed = std::memory_order_relaxed;

void grow(std::atomic<int64_t>& number, int64_t to) {
  number.store(std::max(number.load(kRelaxed), to), kRelaxed);
}

}  // namespace

void Meter::share() {
  shared_ = true;
  for (size_t k = 0; k < kKinds; ++k) {
    ceilings_[k] = used_[k].load();
    reachable_[k] = 0;
  }
  lease_until_ns_ = fresh_until_ns_ = std::numeric_limits<int64_t>::min();
  for (Rate* rate : rates())
    rate->replicas = 0;
  streams_ceiling_ = 0;
}

std::array<int64_t, store::kLeaseBudgets> Meter::used() const {
  return {used_[0].load(kRelaxed), used_[1].load(kRelaxed)};
}

std::array<int64_t, store::kLeaseBudgets> Meter::spent() const {
  return {spent_[0].load(kRelaxed), spent_[1].load(kRelaxed)};
}

std::array<int64_t, store::kLeaseBudgets> Meter::held() const {
  std::array<int64_t, store::kLeaseBudgets> held;
  for (size_t k = 0; k < held.size(); ++k)
    held[k] = std::max<int64_t>(std::max(ceilings_[k].load(), used_[k].load()) - spent_[k].load(), 0);
  return held;
}

std::array<int64_t, store::kLeaseRates> Meter::rates_used() const {
  return {requests_.used.load(kRelaxed), input_.used.load(kRelaxed), output_.used.load(kRelaxed),
          money_.used.load(kRelaxed)};
}

namespace {

enum class Now : uint8_t { kLeased, kEnded, kAlone };

// What is beyond `keep` is let go. Answers what may be used until the answer comes; alone more may be, which
// no lease covers before or after.
int64_t lower(std::atomic<int64_t>& ceiling, const std::atomic<int64_t>& used, int64_t keep, Now is) {
  if (is == Now::kAlone) return used.load();
  bool ended = is == Now::kEnded;
  int64_t target = used.load() + (ended ? 0 : keep);
  int64_t before = ceiling.load();
  if (ended || before > target) {
    ceiling.store(target);
    before = target;
  }
  return std::max(before, used.load());
}

}  // namespace

store::LeaseTurn Meter::begin_turn(const Wants& wants, const Moment& now) {
  turn(now);
  lease_wanted_.store(false);
  store::LeaseTurn t;
  t.scope = scope_ + "/" + id_;
  t.day = periods_[0].number.load();
  t.month = periods_[1].number.load();
  Now is = lease_until_ns_.load() == kNoCeiling ? Now::kAlone
           : lease_ended(now.mono)              ? Now::kEnded
                                                : Now::kLeased;
  for (size_t k = 0; k < kKinds; ++k) {
    store::BudgetAsk& ask = t.budgets[k];
    int64_t spent = spent_[k].load(), need = need_[k].exchange(0);
    bool any = false;
    for (size_t p = 0; p < kPeriods; ++p) {
      ask.limits[p] = limits_[p][k].load(kRelaxed);
      ask.spent[p] = spent - base(p, k);
      any = any || ask.limits[p] >= 0;
    }
    int64_t keep = std::max(need, any ? wants.budgets[k] : 0);
    int64_t top = lower(ceilings_[k], used_[k], keep, is);
    int64_t kept = top - used_[k].load();
    ask.idle = std::max<int64_t>(kept, 0);
    ask.hold = std::max<int64_t>(top - spent, 0);
    ask.idle = std::min(ask.idle, ask.hold);
    ask.need = std::max<int64_t>(need - ask.idle, 0);
    ask.want = std::max<int64_t>(keep - ask.idle, 0);
  }
  std::array<Rate*, store::kLeaseRates> all = rates();
  for (size_t r = 0; r < all.size(); ++r) {
    store::RateAsk& ask = t.rates[r];
    Rate& rate = *all[r];
    ask.per_minute = rate.per_minute.load(kRelaxed);
    ask.need = rate.need.exchange(0);
    int64_t used = rate.used.load(), keep = std::max(ask.need, wants.rates[r]);
    int64_t top = lower(rate.ceiling, rate.used, keep, is);
    // A request that drew meanwhile is in `used`, one that draws from here on is below `top`.
    ask.used = std::min(used, top);
    ask.granted = rate.ceiling.load();
    ask.want = std::max(keep, top - ask.used);
  }
  t.streams.most = streams_max_.load(kRelaxed);
  int64_t need = streams_need_.exchange(0), keep = std::max(need, wants.streams);
  int64_t top = lower(streams_ceiling_, streams_, keep, is);
  t.streams.hold = top;
  t.streams.idle = std::max<int64_t>(top - streams_.load(), 0);
  t.streams.need = std::max<int64_t>(need - t.streams.idle, 0);
  t.streams.want = std::max<int64_t>(keep - t.streams.idle, 0);
  return t;
}

void Meter::take_lease(const store::LeaseTurn& asked, const store::LeaseGrant& grant, const Moment& now,
                       MonoTime until) {
  for (size_t k = 0; k < kKinds; ++k) {
    const store::BudgetGrant& g = grant.budgets[k];
    // Of the turn's periods: the next one may have begun meanwhile.
    // They only grow: a store that knows less has lost something, and will be told again.
    if (periods_[0].number.load() == asked.day) grow(periods_[0].others[k], g.others[0]);
    if (periods_[1].number.load() == asked.month) grow(periods_[1].others[k], g.others[1]);
    grow(total_others_[k], g.others[2]);
    int64_t ceiling = asked.budgets[k].spent[2] + g.held;
    reachable_[k].store(ceiling + g.free + g.idle, kRelaxed);
    ceilings_[k].store(ceiling);
  }
  std::array<Rate*, store::kLeaseRates> all = rates();
  for (size_t r = 0; r < all.size(); ++r) {
    Rate& rate = *all[r];
    const store::RateGrant& g = grant.rates[r];
    rate.denied_from.store(asked.rates[r].need, kRelaxed);
    rate.denied_until_ns.store(g.wait_us > 0 ? now.mono.ns + g.wait_us * 1000 : 0, kRelaxed);
    rate.ceiling.store(g.granted);
    rate.replicas.store(0, kRelaxed);
  }
  streams_reachable_.store(grant.streams.held + grant.streams.free, kRelaxed);
  streams_ceiling_.store(grant.streams.held);
  fresh_until_ns_.store((now.mono + kFresh).ns, kRelaxed);
  lease_until_ns_.store(until.ns);
}

void Meter::go_alone(const store::LeaseTurn* asked, const store::LeaseGrant* grant, int64_t replicas,
                     const Moment& now) {
  WEIR_ASSERT(replicas > 0);
  turn(now);
  lease_wanted_.store(false);
  for (size_t k = 0; k < kKinds; ++k) {
    need_[k].store(0, kRelaxed);
    int64_t used = used_[k].load(), spent = spent_[k].load();
    // By what is known here, each period for itself: also where one has begun since.
    int64_t room = store::kLeaseUnlimited, from = used;
    for (size_t p = 0; p < kPeriods; ++p)
      if (int64_t limit = limits_[p][k].load(kRelaxed); limit >= 0)
        room = std::min(room, limit - (spent - base(p, k)) - others(p, k));
    bool same = asked && asked->day == periods_[0].number.load() && asked->month == periods_[1].number.load();
    if (asked && grant && same) {
      // What nobody else held then; what was drawn of it since is gone.
      from = asked->budgets[k].spent[2] + asked->budgets[k].hold - asked->budgets[k].idle;
      room =
          std::min(room, grant->budgets[k].free + asked->budgets[k].spent[2] + grant->budgets[k].held - from);
    }
    int64_t ceiling = std::max(used, from + std::max<int64_t>(room, 0) / replicas);
    reachable_[k].store(ceiling, kRelaxed);
    ceilings_[k].store(ceiling);
  }
  for (Rate* rate : rates()) {
    rate->need.store(0, kRelaxed);
    if (rate->replicas.load(kRelaxed) != 0) continue;
    // As if its part had been in use by half: neither a minute's worth at once nor nothing.
    rate->empty_at_ns.store(now.mono.ns + kMinuteNs / 2, kRelaxed);
    rate->replicas.store(replicas, kRelaxed);
  }
  streams_need_.store(0, kRelaxed);
  int64_t most = streams_max_.load(kRelaxed);
  int64_t part = most > 0 ? std::max<int64_t>(most / replicas, 1) : kNoCeiling;
  streams_reachable_.store(part, kRelaxed);
  streams_ceiling_.store(part);
  fresh_until_ns_.store(kNoCeiling, kRelaxed);
  lease_until_ns_.store(kNoCeiling);
}

}  // namespace weir::quota
