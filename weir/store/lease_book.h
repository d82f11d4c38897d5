// LeaseBook: the account of one scope and the rules by which it is shared (lease_store.h), as a value that is
// changed by one turn at a time. Where the store runs no code of its own it is kept as a text and changed
// here, under a lock of the store; where it does (Redis, in Lua) that code must do the very same, which the
// tests compare. Times are the store's, in microseconds; numbers are integers that a double holds exactly.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/store/lease_store.h"

namespace weir::store {

class LeaseBook {
 public:
  LeaseGrant take(std::string_view holder, const LeaseTurn& turn, int64_t now_us, int64_t lease_us);

  std::string text() const;
  /// Errors: kIo, it is no book.
  static Result<LeaseBook> parse(std::string_view text);

 private:
  struct Holder {
    int64_t epoch = 0, turn = 0, expires_us = 0, day = 0, month = 0;
    std::array<ByPeriod, kLeaseBudgets> spent{};
    std::array<int64_t, kLeaseBudgets> held{}, idle{};
    int64_t streams = 0, streams_idle = 0;
    std::array<int64_t, kLeaseRates> granted{};

    static constexpr size_t kNumbers = 5 + kLeaseBudgets * (kLeasePeriods + 2) + 2 + kLeaseRates;
    std::array<int64_t*, kNumbers> numbers();
  };
  void take_budget(Holder& me, size_t kind, const LeaseTurn& turn, bool covered, int64_t now_us,
                   LeaseGrant& grant);
  void take_rate(Holder& me, size_t rate, const RateAsk& ask, int64_t now_us, LeaseGrant& grant);
  void take_streams(Holder& me, StreamsAsk ask, bool covered, int64_t now_us, LeaseGrant& grant);
  bool live(const Holder& h, int64_t now_us) const { return h.expires_us > now_us; }
  void note_scarce(int64_t now_us);

  std::map<std::string, Holder, std::less<>> holders_;
  std::array<int64_t, kLeaseRates> empty_at_us_{};
  int64_t scarce_until_us_ = 0;
};

// A turn and its answer as rows of numbers, as they travel (the scope apart).

std::vector<int64_t> numbers_of(const LeaseTurn& turn);
/// Errors: kIo: not as many as there must be.
Result<LeaseTurn> lease_turn_of(std::string_view scope, std::span<const int64_t> numbers);
std::vector<int64_t> numbers_of(const LeaseGrant& grant);
Result<LeaseGrant> lease_grant_of(std::span<const int64_t> numbers);

}  // namespace weir::store
