#include "weir/quota/meter.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "weir/base/mutation.h"
#include "weir/quota/agent_meters.h"

namespace weir::quota {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;
constexpr size_t kMoneyKind = 0, kTokensKind = 1;
constexpr auto kRelaxed = std::memory_order_relaxed;

void raise(std::atomic<int64_t>& number, int64_t to) {
  int64_t was = number.load(kRelaxed);
  while (was < to && !number.compare_exchange_weak(was, to, kRelaxed)) {
  }
}

}  // namespace

Moment Moment::at(MonoTime mono, WallTime wall) {
  Moment m{.mono = mono, .unix_s = wall.unix_s()};
  m.day = m.unix_s / 86'400;
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(m.day))};
  m.month = int64_t{int{date.year()}} * 12 + unsigned{date.month()} - 1;
  return m;
}

namespace {

int64_t month_begins(int64_t month) {
  using namespace std::chrono;
  year_month_day first{year(static_cast<int>(month / 12)),
                       std::chrono::month(static_cast<unsigned>(month % 12 + 1)), day(1)};
  return sys_days(first).time_since_epoch().count() * int64_t{86'400};
}

}  // namespace

int64_t Moment::month_begins_s() const {
  return month_begins(month);
}

int64_t Moment::seconds_left(BudgetPeriod period) const {
  if (period == BudgetPeriod::kTotal) return 0;
  int64_t end_s = period == BudgetPeriod::kDay ? (day + 1) * 86'400 : month_begins(month + 1);
  return std::max<int64_t>(end_s - unix_s, 1);
}

std::string_view name(Limit limit) {
  switch (limit) {
    case Limit::kRequests:
      return "requests";
    case Limit::kInputTokens:
      return "input_tokens";
    case Limit::kOutputTokens:
      return "output_tokens";
    case Limit::kMoney:
      return "money";
    case Limit::kStreams:
      return "streams";
    case Limit::kBudget:
      return "budget";
  }
  return "";
}

Meter::Meter(std::string scope, std::string id, std::string tenant, const store::SpentInPeriods& spent,
             const Moment& at)
    : scope_(std::move(scope)), id_(std::move(id)), tenant_(std::move(tenant)) {
  set_limits({});
  for (size_t k = 0; k < kKinds; ++k) {
    ceilings_[k] = kNoCeiling;
    reachable_[k] = kNoCeiling;
  }
  auto set = [](auto& numbers, const store::Spent& to) {
    numbers[kMoneyKind].store(to.nanodollars, kRelaxed);
    numbers[kTokensKind].store(to.tokens, kRelaxed);
  };
  auto since = [&](const store::Spent& in) {
    return store::Spent{spent.total.nanodollars - in.nanodollars, spent.total.tokens - in.tokens};
  };
  set(used_, spent.total);
  set(spent_, spent.total);
  set(periods_[0].base, since(spent.day));
  set(periods_[1].base, since(spent.month));
  periods_[0].number = at.day;
  periods_[1].number = at.month;
}

void Meter::set_limits(const Limits& limits) {
  requests_.per_minute.store(limits.requests_per_minute.value_or(0), kRelaxed);
  input_.per_minute.store(limits.input_tokens_per_minute.value_or(0), kRelaxed);
  output_.per_minute.store(limits.output_tokens_per_minute.value_or(0), kRelaxed);
  money_.per_minute.store(limits.nanodollars_per_minute.value_or(0), kRelaxed);
  streams_max_.store(limits.streams.value_or(0), kRelaxed);
  std::array<std::array<int64_t, kKinds>, kPeriods> budgets;
  for (auto& of : budgets)
    of.fill(-1);
  for (const Budget& budget : limits.budgets)
    budgets[static_cast<size_t>(budget.period)] = {budget.nanodollars.value_or(-1),
                                                   budget.tokens.value_or(-1)};
  for (size_t p = 0; p < kPeriods; ++p)
    for (size_t k = 0; k < kKinds; ++k)
      limits_[p][k].store(budgets[p][k], kRelaxed);
  limited_.store(limits.any_itself(), kRelaxed);
  AgentMeters* agents = agents_.load(std::memory_order_acquire);
  if (!agents && !limits.each_agent.empty()) {
    auto made = std::make_unique<AgentMeters>(tenant_);
    if (agents_.compare_exchange_strong(agents, made.get())) agents = made.release();
  }
  if (agents) agents->set_limits(limits.each_agent.empty() ? Limits() : limits.each_agent.front());
}

Meter::~Meter() {
  delete agents_.load();
}

bool Meter::per_agent() const {
  const AgentMeters* agents = agents_.load(std::memory_order_acquire);
  return agents && agents->limited();
}

std::shared_ptr<Meter> Meter::of_agent(std::string_view agent, const Moment& now) {
  AgentMeters* agents = agents_.load(std::memory_order_acquire);
  return agents ? agents->of(agent, now) : nullptr;
}

bool Meter::rested(MonoTime now) const {
  for (const Rate* rate : {&requests_, &input_, &output_, &money_})
    if (rate->empty_at_ns.load(kRelaxed) > now.ns) return false;
  return streams_.load(kRelaxed) == 0;
}

// ------------------------------------------------------------------------------------- rates

int64_t Meter::Rate::ns_of(int64_t amount, int64_t limit) const {
  __extension__ using Wide = __int128;
  Wide ns = (Wide{amount} * kMinuteNs + limit - 1) / limit;
  return static_cast<int64_t>(std::min<Wide>(ns, std::numeric_limits<int64_t>::max() / 4));
}

// Its part of it, while replicas go on without their store; at least something.
int64_t Meter::Rate::limit(int64_t among) const {
  int64_t all = per_minute.load(kRelaxed);
  return among <= 1 ? all : std::max<int64_t>(all / among, 1);
}

int64_t Meter::Rate::take(int64_t amount, MonoTime now, const Number* lease_until_ns) {
  int64_t limit = per_minute.load(kRelaxed);
  if (limit <= 0 || amount <= 0) return 0;
  if (lease_until_ns) [[unlikely]] {
    int64_t among = replicas.load(kRelaxed);
    if (among == 0) return take_leased(std::min(amount, limit), now, *lease_until_ns);
    limit = this->limit(among);
  }
  int64_t ns = std::min(ns_of(amount, limit), kMinuteNs);
  int64_t empty = empty_at_ns.load(kRelaxed);
  for (;;) {
    int64_t next = std::max(empty, now.ns) + ns;
    int64_t early_ns = next - now.ns - kMinuteNs;
    if (early_ns > 0) return (early_ns + 999'999'999) / 1'000'000'000;
    if (empty_at_ns.compare_exchange_weak(empty, next, kRelaxed)) return 0;
  }
}

// Drawn from what leases gave. Denied before, and for as much: no need to ask again until then.
int64_t Meter::Rate::take_leased(int64_t amount, MonoTime now, const Number& lease_until_ns) {
  int64_t most = ceiling.load(kRelaxed), taken = used.load(kRelaxed);
  bool ended = now.ns > lease_until_ns.load(kRelaxed);
  while (!ended && amount <= most - taken)
    if (used.compare_exchange_weak(taken, taken + amount)) {
      if (taken + amount <= ceiling.load()) return 0;
      used.fetch_sub(amount, kRelaxed);
      break;
    }
  int64_t wait_ns = denied_until_ns.load(kRelaxed) - now.ns;
  if (wait_ns > 0 && amount >= denied_from.load(kRelaxed)) return (wait_ns + 999'999'999) / 1'000'000'000;
  raise(need, amount);
  return kWaits;
}

// What was taken becomes what was used. (By the limit of now: it may have been another one then, and the cell
// is off for a minute.)
void Meter::Rate::change(int64_t reserved, int64_t really, bool shared) {
  int64_t limit = per_minute.load(kRelaxed);
  if (limit <= 0 || reserved == really) return;
  if (shared) [[unlikely]] {
    int64_t among = replicas.load(kRelaxed);
    if (among == 0) {
      used.fetch_add(std::max<int64_t>(really, 0) - std::min(reserved, limit), kRelaxed);
      return;
    }
    limit = this->limit(among);
  }
  int64_t taken = reserved > 0 ? std::min(ns_of(reserved, limit), kMinuteNs) : 0;
  empty_at_ns.fetch_add(ns_of(std::max<int64_t>(really, 0), limit) - taken, kRelaxed);
}

Refusal Meter::too_fast(Limit limit, int64_t wait_s) {
  bool waits = wait_s == Rate::kWaits;
  return {
      .meter = this, .limit = limit, .retry_after_s = waits ? 1 : wait_s, .waits = waits ? this : nullptr};
}

std::optional<Refusal> Meter::take_request(const Moment& now) {
  if (int64_t wait_s = requests_.take(1, now.mono, leases())) return too_fast(Limit::kRequests, wait_s);
  return std::nullopt;
}

void Meter::give_back_request() {
  requests_.change(1, 0, shared_);
}

std::optional<Refusal> Meter::take_stream(const Moment& now) {
  int64_t most = streams_max_.load(kRelaxed), was = streams_.fetch_add(1);
  if (most <= 0) return std::nullopt;
  if (was < std::min(most, streams_ceiling_.load()) && !lease_ended(now.mono)) return std::nullopt;
  streams_.fetch_sub(1, kRelaxed);
  Refusal no{.meter = this, .limit = Limit::kStreams, .retry_after_s = 1};
  bool known = now.mono.ns <= fresh_until_ns_.load(kRelaxed);
  if (was < most && !(known && was >= streams_reachable_.load(kRelaxed))) {
    streams_need_.store(1, kRelaxed);
    no.waits = this;
  }
  return no;
}

void Meter::give_back_stream() {
  streams_.fetch_sub(1, kRelaxed);
}

// ----------------------------------------------------------------------------------- budgets

// One thread turns, the others go on with the old base meanwhile, which allows less, never more.
void Meter::turn(Period& period, int64_t number) const {
  if (period.number.load(std::memory_order_acquire) >= number) return;
  if (period.turning.exchange(true, std::memory_order_acquire)) return;
  if (period.number.load(kRelaxed) < number) {
    for (size_t k = 0; k < kKinds; ++k) {
      period.base[k].store(spent_[k].load(kRelaxed), kRelaxed);
      period.others[k].store(0, kRelaxed);
    }
    period.number.store(number, std::memory_order_release);
  }
  period.turning.store(false, std::memory_order_release);
}

void Meter::turn(const Moment& now) const {
  turn(periods_[0], now.day);
  turn(periods_[1], now.month);
}

int64_t Meter::number_of(size_t period, const Moment& now) {
  constexpr size_t kDay = static_cast<size_t>(BudgetPeriod::kDay);
  constexpr size_t kMonth = static_cast<size_t>(BudgetPeriod::kMonth);
  return period == kDay ? now.day : period == kMonth ? now.month : 0;
}

int64_t Meter::base(size_t period, size_t kind) const {
  return period < periods_.size() ? periods_[period].base[kind].load(kRelaxed) : 0;
}

int64_t Meter::others(size_t period, size_t kind) const {
  const auto& of = period < periods_.size() ? periods_[period].others : total_others_;
  return of[kind].load(kRelaxed);
}

std::optional<Refusal> Meter::reserve_budget(size_t kind, int64_t amount, const Moment& now) {
  // The lowest of the three decides; none: no bound.
  int64_t most = kNoCeiling;
  for (size_t p = 0; p < kPeriods && amount > 0; ++p) {
    int64_t limit = limits_[p][kind].load(kRelaxed);
    if (limit < 0) continue;
    limit += base(p, kind);
    if (shared_) limit -= others(p, kind);
    most = std::min(most, limit);
  }
  if (most == kNoCeiling) {
    used_[kind].fetch_add(amount, kRelaxed);
    return std::nullopt;
  }
  if (shared_) most = std::min(most, ceilings_[kind].load(kRelaxed));
  bool ended = shared_ && lease_ended(now.mono) && !WEIR_MUTATE(kLeaseReused);
  int64_t used = used_[kind].load(kRelaxed);
  do {
    if (amount > most - used || ended) return beyond(kind, amount, now);
  } while (!used_[kind].compare_exchange_weak(used, used + amount));
  // Whoever lowers the ceiling looks at `used` after: one of the two sees the other.
  if (!shared_ || used + amount <= ceilings_[kind].load()) return std::nullopt;
  used_[kind].fetch_sub(amount, kRelaxed);
  return beyond(kind, amount, now);
}

// Beyond the budget, as far as is known here, or only beyond the lease.
Refusal Meter::beyond(size_t kind, int64_t amount, const Moment& now) {
  int64_t most = kNoCeiling, used = used_[kind].load(kRelaxed);
  BudgetPeriod decides = BudgetPeriod::kTotal;
  for (size_t p = 0; p < kPeriods; ++p) {
    int64_t limit = limits_[p][kind].load(kRelaxed);
    if (limit < 0 || (limit += base(p, kind) - others(p, kind)) >= most) continue;
    most = limit;
    decides = static_cast<BudgetPeriod>(p);
  }
  Refusal no{.meter = this,
             .limit = Limit::kBudget,
             .period = decides,
             .tokens = kind == kTokensKind,
             .retry_after_s = now.seconds_left(decides)};
  bool known = now.mono.ns <= fresh_until_ns_.load(kRelaxed);
  if (!shared_ || amount > most - used || (known && amount > reachable_[kind].load(kRelaxed) - used)) {
    auto p = static_cast<size_t>(decides);
    refused_in_[p].store(number_of(p, now) + 1, kRelaxed);
    return no;
  }
  raise(need_[kind], amount);
  no.waits = this;
  return no;
}

std::optional<Refusal> Meter::reserve(const Amounts& worst, const Moment& now) {
  turn(now);
  if (auto no = reserve_budget(kMoneyKind, worst.nanodollars, now)) return no;
  std::optional<Refusal> no = reserve_budget(kTokensKind, worst.tokens(), now);
  if (no) {
    used_[kMoneyKind].fetch_sub(worst.nanodollars, kRelaxed);
    return no;
  }
  Rate* const rates[] = {&input_, &output_, &money_};
  const int64_t amounts[] = {worst.input_tokens, worst.output_tokens, worst.nanodollars};
  constexpr Limit kLimits[] = {Limit::kInputTokens, Limit::kOutputTokens, Limit::kMoney};
  for (size_t i = 0; i < 3; ++i) {
    int64_t wait_s = rates[i]->take(amounts[i], now.mono, leases());
    if (wait_s == 0) continue;
    for (size_t before = 0; before < i; ++before)
      rates[before]->change(amounts[before], 0, shared_);
    used_[kMoneyKind].fetch_sub(worst.nanodollars, kRelaxed);
    used_[kTokensKind].fetch_sub(worst.tokens(), kRelaxed);
    return too_fast(kLimits[i], wait_s);
  }
  return std::nullopt;
}

void Meter::owe(const Amounts& more) {
  used_[kMoneyKind].fetch_add(more.nanodollars, kRelaxed);
  used_[kTokensKind].fetch_add(more.tokens(), kRelaxed);
  input_.change(0, more.input_tokens, shared_);
  output_.change(0, more.output_tokens, shared_);
  money_.change(0, more.nanodollars, shared_);
}

void Meter::settle(const Amounts& reserved, const Amounts& used, const Moment& now) {
  turn(now);  // before it is spent: it is spent in the period in which it ends
  auto spend = [&](size_t kind, int64_t held, int64_t really) {
    if (really != 0) spent_[kind].fetch_add(really, kRelaxed);
    if (really != held) used_[kind].fetch_add(really - held, kRelaxed);
  };
  spend(kMoneyKind, reserved.nanodollars, used.nanodollars);
  spend(kTokensKind, reserved.tokens(), used.tokens());
  input_.change(reserved.input_tokens, used.input_tokens, shared_);
  output_.change(reserved.output_tokens, used.output_tokens, shared_);
  money_.change(reserved.nanodollars, used.nanodollars, shared_);
}

// ------------------------------------------------------------------------------------- views

double Meter::BudgetView::share() const {
  double most = 0;
  auto of = [&](int64_t spent, const std::optional<int64_t>& limit) {
    if (limit)
      most = std::max(most, static_cast<double>(spent) / static_cast<double>(std::max<int64_t>(*limit, 1)));
  };
  of(spent_nanodollars, budget.nanodollars);
  of(spent_tokens, budget.tokens);
  return most;
}

std::vector<Meter::BudgetView> Meter::budgets(const Moment& now) const {
  turn(now);
  std::vector<BudgetView> views;
  for (size_t p = 0; p < kPeriods; ++p) {
    BudgetView view{.budget = {.period = static_cast<BudgetPeriod>(p)}};
    int64_t money = limits_[p][kMoneyKind].load(kRelaxed), tokens = limits_[p][kTokensKind].load(kRelaxed);
    if (money < 0 && tokens < 0) continue;
    if (money >= 0) view.budget.nanodollars = money;
    if (tokens >= 0) view.budget.tokens = tokens;
    int64_t spent_money = spent_[kMoneyKind].load(kRelaxed),
            spent_tokens = spent_[kTokensKind].load(kRelaxed);
    view.spent_nanodollars = spent_money - base(p, kMoneyKind) + others(p, kMoneyKind);
    view.spent_tokens = spent_tokens - base(p, kTokensKind) + others(p, kTokensKind);
    view.reserved_nanodollars = used_[kMoneyKind].load(kRelaxed) - spent_money;
    view.reserved_tokens = used_[kTokensKind].load(kRelaxed) - spent_tokens;
    view.ends_in_s = now.seconds_left(view.budget.period);
    view.number = number_of(p, now);
    view.refused = refused_in_[p].load(kRelaxed) == view.number + 1;
    views.push_back(view);
  }
  return views;
}

std::optional<Meter::Share> Meter::share(const Moment& now, int from_percent) const {
  turn(now);
  std::optional<Share> most;
  for (size_t p = 0; p < kPeriods; ++p)
    for (size_t k = 0; k < kKinds; ++k) {
      int64_t limit = limits_[p][k].load(kRelaxed);
      if (limit <= 0) continue;
      int64_t spent = spent_[k].load(kRelaxed) - base(p, k) + others(p, k);
      int percent =
          static_cast<int>(std::min(static_cast<double>(spent) * 100 / static_cast<double>(limit), 1e6));
      if (percent >= from_percent && (!most || percent > most->percent))
        most = Share{static_cast<BudgetPeriod>(p), percent};
    }
  return most;
}

// -------------------------------------------------------------------------- of an identity

namespace {

// Does `take` for each; undoes with `undo` what was done when one refuses.
template <class Take, class Undo>
std::optional<Refusal> all_or_none(Meters meters, Take take, Undo undo) {
  for (size_t i = 0; i < meters.size(); ++i)
    if (auto no = take(*meters[i])) {
      while (i-- > 0)
        undo(*meters[i]);
      return no;
    }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> take_request(Meters meters, const Moment& now) {
  return all_or_none(
      meters, [&](Meter& m) { return m.take_request(now); }, [](Meter& m) { m.give_back_request(); });
}

std::optional<Refusal> take_stream(Meters meters, const Moment& now) {
  return all_or_none(
      meters, [&](Meter& m) { return m.take_stream(now); }, [](Meter& m) { m.give_back_stream(); });
}

void give_back_stream(Meters meters) {
  for (const auto& meter : meters)
    meter->give_back_stream();
}

std::optional<Refusal> reserve(Meters meters, const Amounts& worst, const Moment& now) {
  return all_or_none(
      meters, [&](Meter& m) { return m.reserve(worst, now); }, [&](Meter& m) { m.settle(worst, {}, now); });
}

void owe(Meters meters, const Amounts& more) {
  for (const auto& meter : meters)
    meter->owe(more);
}

void settle(Meters meters, const Amounts& reserved, const Amounts& used, const Moment& now) {
  for (const auto& meter : meters)
    meter->settle(reserved, used, now);
}

}  // namespace weir::quota
