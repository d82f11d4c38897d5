// SignInLimit: how often an address may come with a wrong key. Nothing is guessed by trying (a key holds 190
// bits); it keeps those who try from filling the log and the cores' time with it, and says so to them. Only
// failures count and only they are refused: a right key is taken from every address at any time, so nobody is
// locked out, neither by themselves nor by whoever shares their address.
//
// A cell of the generic cell rate algorithm for each address (of IPv6 each /64, which one host may have
// wholly), as in quota/meter.h: a minute's worth at once, then as many as flow out. Empty cells are no cells,
// and of too many addresses those that have failed least are forgotten. Of all cores together. Thread-safe: a
// lock that only failures take.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weir/base/clock.h"

namespace weir::admin {

class SignInLimit {
 public:
  static constexpr size_t kAddressesMax = 4096;

  /// An attempt of `peer` failed. 0: it may hear why; else the seconds after which it may try again.
  /// `per_minute` 0: any number.
  int64_t failed(std::string_view peer, int64_t per_minute, MonoTime now);
  size_t addresses() const;

 private:
  void make_room(MonoTime now);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, int64_t> empty_at_ns_;
};

}  // namespace weir::admin
