// Meter: everything that one scope (a key, a user, a team, a tenant) may use and has used, for all cores of
// the process at once. Lock-free: 64-bit atomics that every core changes directly.
//
// Rates are cells of the generic cell rate algorithm (ITU-T I.371): one number, the time at which the cell
// would be empty again; a request pushes it on by what it takes and is refused when it would lie more than a
// minute ahead. So a minute's worth may come at once, and then as much as flows out. On the monotonic clock.
// A request that needs more than a minute's worth waits for an empty cell, takes all of it, and what it
// really used is owed afterwards.
//
// Budgets: `used` only ever grows by what is reserved and changes to what was really spent; `spent` only
// grows by what was really spent. A period is its number and what `spent` was when it began, so beginning the
// next one is one store and nothing is ever set back to zero: used - base is compared with the limit in the
// one compare-and-swap that reserves, for every period of the budget together. A reservation that is held
// over the end of a period counts in the next one, where it will be spent. The number of a period never
// falls: a clock that is set back gives nobody a second budget.
//
// Because the worst case is reserved before and the truth settled after, a budget is passed only by what a
// request used beyond its worst case.
//
// Where replicas share limits (share()), a meter may use only what its leases give (bank.h): `used` stays
// below a ceiling that the bank moves, the same compare-and-swap as alone; a rate is a count that is drawn
// from, not a cell. What is not there but may be fetched is a refusal that says so (Refusal::waits).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/limits.h"
#include "weir/store/lease_store.h"
#include "weir/store/ledger.h"

namespace weir::quota {

/// What a request uses, or uses at most.
struct Amounts {
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t nanodollars = 0;
  int64_t tokens() const { return input_tokens + output_tokens; }
};

/// A moment as meters count it: rates by the monotonic clock, periods by the wall's.
struct Moment {
  MonoTime mono;
  int64_t unix_s = 0;
  int64_t day = 0;    // since 1970
  int64_t month = 0;  // since January of the year 0

  static Moment at(MonoTime mono, WallTime wall);
  int64_t day_begins_s() const { return day * 86'400; }
  int64_t month_begins_s() const;
  /// Until the day's, the month's end; 0: a total has none.
  int64_t seconds_left(BudgetPeriod period) const;
};

class Meter;
class AgentMeters;

enum class Limit : uint8_t { kRequests, kInputTokens, kOutputTokens, kMoney, kStreams, kBudget };
std::string_view name(Limit limit);  // "requests", "input_tokens", ... "budget"

/// Why not.
struct Refusal {
  const Meter* meter = nullptr;
  Limit limit = Limit::kRequests;
  BudgetPeriod period = BudgetPeriod::kTotal;  // kBudget
  bool tokens = false;                         // kBudget: of tokens, not of money
  int64_t retry_after_s = 0;                   // 0: waiting does not help
  Meter* waits = nullptr;                      // this one needs a lease: ask for it (renewals.h), then again
};

class Meter {
 public:
  /// As it was when `at`.
  Meter(std::string scope, std::string id, std::string tenant, const store::SpentInPeriods& spent,
        const Moment& at);
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  ~Meter();

  const std::string& scope() const { return scope_; }  // "key", "user", "team", "tenant", "agent"
  const std::string& id() const { return id_; }
  const std::string& tenant() const { return tenant_; }  // whose it is; empty: of the configuration

  /// From now on. Counts stay. Thread-safe; of two at once either may win.
  void set_limits(const Limits& limits);
  /// It has a limit at all, other than those of its agents.
  bool limited() const { return limited_.load(std::memory_order_relaxed); }

  /// Agents that its callers name have limits of their own.
  bool per_agent() const;
  /// That agent's meter; nullptr: it has none. Thread-safe: takes a lock where there are such limits.
  std::shared_ptr<Meter> of_agent(std::string_view agent, const Moment& now);
  /// Nothing is under way, and what rates remember is over: a new one would do as well.
  bool rested(MonoTime now) const;

  // Thread-safe, wait-free but for the retries of a compare-and-swap. Nothing: it may. Each that was allowed
  // is given back or settled once.

  std::optional<Refusal> take_request(const Moment& now);
  void give_back_request();
  std::optional<Refusal> take_stream(const Moment& now);
  void give_back_stream();
  std::optional<Refusal> reserve(const Amounts& worst, const Moment& now);
  /// As if it had been allowed: for what has been used by the time it is known.
  void owe(const Amounts& more);
  /// What became of a reservation; `reserved` may be nothing.
  void settle(const Amounts& reserved, const Amounts& used, const Moment& now);

  /// A budget as it stands.
  struct BudgetView {
    Budget budget;
    int64_t spent_nanodollars = 0, spent_tokens = 0;
    int64_t reserved_nanodollars = 0, reserved_tokens = 0;
    int64_t ends_in_s = 0;  // 0: never
    int64_t number = 0;     // of the period; a total has one only
    bool refused = false;   // it did not cover a request of this period
    /// The larger one of money and tokens: spent of the limit.
    double share() const;
  };
  std::vector<BudgetView> budgets(const Moment& now) const;
  /// The budget that is used up most, as whole percent; nothing below `from_percent`.
  struct Share {
    BudgetPeriod period;
    int percent;
  };
  std::optional<Share> share(const Moment& now, int from_percent) const;
  int64_t streams() const { return streams_.load(std::memory_order_relaxed); }

  // ---- for whoever fetches its leases (meter_lease.cc): on one loop, but for share() and want_lease()

  /// From now on it uses what its leases give, and has none yet. Before it is used.
  void share();
  bool shared() const { return shared_; }
  /// True for the first who asks since the last begin_turn().
  bool want_lease() { return !lease_wanted_.exchange(true); }

  /// Sizes of slices to be had beyond what is needed.
  struct Wants {
    std::array<int64_t, store::kLeaseBudgets> budgets{};
    std::array<int64_t, store::kLeaseRates> rates{};
    int64_t streams = 0;
  };
  /// What to ask the store, but for the epoch and the turn. What it has beyond `wants` it lets go at once.
  store::LeaseTurn begin_turn(const Wants& wants, const Moment& now);
  /// What the store answered to it; a lease until `until`.
  void take_lease(const store::LeaseTurn& asked, const store::LeaseGrant& grant, const Moment& now,
                  MonoTime until);
  /// The store is away: this replica's part of what nobody else held when it was asked last, `room` beyond
  /// `spent`; nullptr: it never was. Rates and streams: a part of the limit.
  void go_alone(const store::LeaseTurn* asked, const store::LeaseGrant* grant, int64_t replicas,
                const Moment& now);
  bool lease_ended(MonoTime now) const { return now.ns > lease_until_ns_.load(std::memory_order_relaxed); }
  /// Reserved and spent, ever; of rates since the start.
  std::array<int64_t, store::kLeaseBudgets> used() const;
  std::array<int64_t, store::kLeaseRates> rates_used() const;
  std::array<int64_t, store::kLeaseBudgets> spent() const;
  /// Of its leases, reserved or not.
  std::array<int64_t, store::kLeaseBudgets> held() const;

 private:
  static constexpr size_t kPeriods = 3, kKinds = 2;  // BudgetPeriod; money, tokens
  using Number = std::atomic<int64_t>;
  static constexpr int64_t kNoCeiling = std::numeric_limits<int64_t>::max();

  /// A rate: its limit for a minute (0: none) and its cell, or what its leases gave.
  struct Rate {
    static constexpr int64_t kWaits = -1;
    Number per_minute{0};
    Number empty_at_ns{0};
    /// 1: the limit is this process's own; 0: drawn from leases; more: shared out among so many without them.
    Number replicas{1};
    Number used{0}, ceiling{0};
    Number need{0};                             // that somebody waits for
    Number denied_from{0}, denied_until_ns{0};  // amounts that are known not to be there, until then
    int64_t ns_of(int64_t amount, int64_t limit) const;
    int64_t limit(int64_t among) const;
    /// Seconds to wait; 0: taken; kWaits: a lease is needed. `lease_until_ns`: nullptr where nothing is
    /// shared.
    int64_t take(int64_t amount, MonoTime now, const Number* lease_until_ns);
    [[gnu::noinline]] int64_t take_leased(int64_t amount, MonoTime now, const Number& lease_until_ns);
    void change(int64_t reserved, int64_t really, bool shared);
  };
  struct Period {
    Number number{0};
    std::atomic<bool> turning{false};
    std::array<Number, kKinds> base{};    // what was spent when it began
    std::array<Number, kKinds> others{};  // what other replicas spent in it
  };
  void turn(Period& period, int64_t number) const;
  void turn(const Moment& now) const;
  static int64_t number_of(size_t period, const Moment& now);
  int64_t base(size_t period, size_t kind) const;
  int64_t others(size_t period, size_t kind) const;
  std::optional<Refusal> reserve_budget(size_t kind, int64_t amount, const Moment& now);
  [[gnu::noinline]] Refusal too_fast(Limit limit, int64_t wait_s);
  [[gnu::noinline]] Refusal beyond(size_t kind, int64_t amount, const Moment& now);
  const Number* leases() const { return shared_ ? &lease_until_ns_ : nullptr; }
  std::array<Rate*, store::kLeaseRates> rates() { return {&requests_, &input_, &output_, &money_}; }

  const std::string scope_, id_, tenant_;
  std::atomic<bool> limited_{false};
  std::atomic<AgentMeters*> agents_{nullptr};  // owned; made once they have limits
  bool shared_ = false;
  std::array<std::array<Number, kKinds>, kPeriods> limits_;  // -1: none
  Number streams_max_{0};                                    // 0: none
  Rate requests_, input_, output_, money_;
  Number streams_{0};
  std::array<Number, kKinds> used_{}, spent_{};
  mutable std::array<Period, 2> periods_;  // day, month

  std::array<Number, kKinds> ceilings_;  // of used_
  Number lease_until_ns_{kNoCeiling};    // then the ceilings are void
  std::array<Number, kKinds> total_others_{};
  // Not on the path of a request that is allowed.
  std::array<Number, kKinds> reachable_;  // of used_: as far as leases may ever go, believed until then:
  Number fresh_until_ns_{kNoCeiling};
  std::array<Number, kKinds> need_{};          // that somebody waits for
  std::array<Number, kPeriods> refused_in_{};  // the last period that did not cover a request, its number + 1
  Number streams_ceiling_{kNoCeiling}, streams_reachable_{kNoCeiling}, streams_need_{0};
  std::atomic<bool> lease_wanted_{false};
};

using Meters = std::span<const std::shared_ptr<Meter>>;

// The same for all meters of an identity: all of them, or none.

std::optional<Refusal> take_request(Meters meters, const Moment& now);
std::optional<Refusal> take_stream(Meters meters, const Moment& now);
void give_back_stream(Meters meters);
std::optional<Refusal> reserve(Meters meters, const Amounts& worst, const Moment& now);
void owe(Meters meters, const Amounts& more);
void settle(Meters meters, const Amounts& reserved, const Amounts& used, const Moment& now);

}  // namespace weir::quota
