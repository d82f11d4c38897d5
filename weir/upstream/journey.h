// Journey: which target is asked next for one request, and how. Decides; does nothing.
//
//   1. Each target in order, those first whose breaker admits them. A first failure goes straight on to the
//      next: it is another server, so there is nothing to wait for and nothing to be spared.
//   2. When all were asked: those again that failed in a way that may pass, after a pause that doubles and
//      whose length is drawn (full jitter), or after the time a busy one asked for. At most retries.max
//      times, from a budget, and never a target that was silent or whose breaker has opened.
//   3. Once an answer has begun only going on with it is left: the other targets in order, each asked in up
//   to
//      three ways (continuation.h), and last the one that broke off.
//
// What a model server called wrong is asked of nobody else; what it called too long goes to the larger
// targets. A request with thoughts that a model signed goes to that model only.
//
// Source of the jitter: Brooker, "Exponential Backoff and Jitter", 2015.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/settings.h"
#include "weir/exchange/exchange.h"
#include "weir/io/random.h"
#include "weir/upstream/continuation.h"
#include "weir/upstream/health.h"
#include "weir/upstream/retry_budget.h"
#include "weir/upstream/verdict.h"

namespace weir::upstream {

class Journey {
 public:
  struct Stop {
    const exchange::Target* target = nullptr;
    Ask ask = Ask::kPlain;
    Duration pause{};  // before it is asked
    Breaker* breaker = nullptr;
    bool again = false;  // it was asked for this request
  };

  /// `pinned`: the only target that may be asked, unless it has no use for the request; nullptr: all.
  Journey(const exchange::Route& route, const exchange::Target* pinned, const RetrySettings& settings,
          Health& health, RetryBudget& budget, io::Random& random);

  /// Where to go now; nothing: nowhere, the last outcome stands. `begun`: the caller has the beginning of an
  /// answer; `can_go_on`: and another may go on with it.
  std::optional<Stop> next(MonoTime now, bool begun, bool can_go_on);
  /// Another target that may be asked now, beside the one that is: one that was not asked and does not rest.
  std::optional<Stop> beside(MonoTime now);
  /// What is noted next is of this stop, which beside() or next() gave.
  void stand_at(const exchange::Target& target);
  /// What became of the last stop.
  void note(Verdict verdict, Duration retry_after);

 private:
  struct Place {
    const exchange::Target* target;
    Breaker* breaker;  // nullptr: there is nothing else to choose
    int asked = 0;
    bool may_again = false;  // asked again, it may do better
    bool out = false;        // not to be asked any more
    bool silent = false;     // not even to go on
    Duration wait{};         // that it asked for
    Ask ask = Ask::kPlain;   // how it is asked next, to go on
  };
  void set_out(std::span<const exchange::Target> targets);
  Place* admitted(MonoTime now);
  std::optional<Stop> first_time(MonoTime now);
  std::optional<Stop> again(MonoTime now);
  std::optional<Stop> go_on();
  Stop stop_at(Place& place, Ask ask, Duration pause);

  const exchange::Route& route_;
  const RetrySettings& settings_;
  Health& health_;
  RetryBudget& budget_;
  io::Random& random_;
  std::vector<Place> places_;
  Place* at_ = nullptr;
  Ask asked_ = Ask::kPlain;  // of the last stop
  Verdict last_ = Verdict::kGood;
  const exchange::Target* pinned_;
  bool larger_ = false;
  bool going_on_ = false;
  int retries_ = 0;
};

}  // namespace weir::upstream
