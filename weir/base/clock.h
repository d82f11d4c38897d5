// Time as values. Who may read a clock is io's business (io/loop.h); everything above is handed time points.
// MonoTime never jumps and has no calendar; WallTime is Unix time and may jump.
#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct MonoTime {
  int64_t ns = 0;
  friend constexpr auto operator<=>(MonoTime, MonoTime) = default;
  friend constexpr Duration operator-(MonoTime a, MonoTime b) { return Duration(a.ns - b.ns); }
  friend constexpr MonoTime operator+(MonoTime a, Duration d) { return {a.ns + d.count()}; }
};

struct WallTime {
  int64_t unix_ns = 0;
  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  constexpr int64_t unix_s() const { return unix_ns / 1'000'000'000; }
};

constexpr double to_seconds(Duration d) {
  return static_cast<double>(d.count()) * 1e-9;
}
constexpr double to_milliseconds(Duration d) {
  return static_cast<double>(d.count()) * 1e-6;
}

}  // namespace weir
