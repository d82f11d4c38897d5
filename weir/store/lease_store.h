// LeaseStore: what several replicas share of one limit. Each scope (a key, a user, a team, a tenant) has one
// account here; a replica takes a slice of what is left of its budgets, rates and streams for a short time
// (a lease), uses it without asking anybody, says what it spent and gives back what it does not need.
//
// A turn tells states, not changes: what this replica has spent so far in each period, what it holds back for
// requests under way, how much of a rate it has used since it began. So a turn that is told twice, or whose
// answer was lost, counts once; a store that has lost everything knows the truth again when every replica has
// had its turn; and a replica that comes back after a crash, with what it finds in its own ledger, settles
// exactly what it had spent. What it spends meanwhile is at most what it held: one lease.
//
// A lease ends `lease` after the turn: what was held and not spent is free again, for whoever asks; what it
// keeps when it comes later it is given as others are. A replica ends it earlier on its own clock, counted
// from before it asked. Each process of a replica has an epoch,
// given by its first turn; turns of an earlier epoch or out of order change nothing (LeaseGrant::stale).
//
// Who gets how much: at least what somebody waits for (`need`), if there is so much; otherwise what it wants,
// but no more than its half of an even share of what is left, so slices shrink towards the end of a budget
// and nothing large lies idle. When somebody's need can not be met, the others are told for two seconds
// (`scarce`) and keep nothing that they do not use.
//
// Used on the loop that made it; one call at a time. Money in nano-dollars, exact below 2^53 (9 million
// dollars).
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/limits.h"
#include "weir/base/result.h"
#include "weir/io/cancel.h"
#include "weir/io/task.h"

namespace weir::store {

inline constexpr size_t kLeasePeriods = 3;  // BudgetPeriod
inline constexpr size_t kLeaseBudgets = 2;  // money, tokens
inline constexpr size_t kLeaseRates = 4;    // requests, input tokens, output tokens, money
/// Where nothing limits.
inline constexpr int64_t kLeaseUnlimited = int64_t{1} << 53;

using ByPeriod = std::array<int64_t, kLeasePeriods>;

/// Of one kind, in all its periods.
struct BudgetAsk {
  ByPeriod limits{-1, -1, -1};  // -1: none
  ByPeriod spent{};             // by this replica: today, this month, ever
  int64_t hold = 0;             // beyond it: for requests under way, and what it keeps of its last slice
  int64_t idle = 0;             // of that: what it keeps
  int64_t need = 0;             // beyond what is held: somebody waits for so much
  int64_t want = 0;             // beyond what is held, while there is plenty
};

/// A cell of the generic cell rate algorithm: a minute's worth at once, and then what flows out.
struct RateAsk {
  int64_t per_minute = 0;  // 0: none
  int64_t granted = 0;     // since this process began, as far as it knows
  int64_t used = 0;        // of it; more when something was owed
  int64_t need = 0;
  int64_t want = 0;
};

struct StreamsAsk {
  int64_t most = 0;  // 0: none
  int64_t hold = 0;  // as of a budget
  int64_t idle = 0;
  int64_t need = 0;
  int64_t want = 0;
};

struct LeaseTurn {
  std::string scope;           // "tenant/acme"
  int64_t epoch = 0;           // 0: the first of this process
  int64_t turn = 0;            // grows
  int64_t day = 0, month = 0;  // quota::Moment's
  std::array<BudgetAsk, kLeaseBudgets> budgets;
  std::array<RateAsk, kLeaseRates> rates;
  StreamsAsk streams;
};

struct BudgetGrant {
  int64_t held = 0;   // beyond what was spent; BudgetAsk::hold at least, while the last lease lasts
  int64_t free = 0;   // that nobody holds, after this turn
  int64_t idle = 0;   // that others hold and do not use
  ByPeriod others{};  // what the other replicas spent
};

struct RateGrant {
  int64_t granted = 0;  // since this process began
  int64_t wait_us = 0;  // until the need fits; 0: it was granted
};

struct StreamsGrant {
  int64_t held = 0;
  int64_t free = 0;  // that nobody uses, beside what is held here
};

struct LeaseGrant {
  bool stale = false;  // told by a process that another one has followed, or out of order: begin anew
  int64_t epoch = 0;
  int64_t replicas = 1;  // that have a lease of this scope, this one too
  bool scarce = false;
  std::array<BudgetGrant, kLeaseBudgets> budgets;
  std::array<RateGrant, kLeaseRates> rates;
  StreamsGrant streams;
};

class LeaseStore {
 public:
  virtual ~LeaseStore() = default;
  /// One answer for each turn, in order; all or none of the answers, though turns may have been taken. May be
  /// called again with the same turns. Errors: kIo; never with a secret in it.
  virtual io::Task<Result<std::vector<LeaseGrant>>> take(std::span<const LeaseTurn> turns, milliseconds lease,
                                                         io::Cancel& cancel) = 0;
};

}  // namespace weir::store
