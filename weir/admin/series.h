// What the charts are drawn from: sums (store/traffic.h) gathered into the steps of a range. All of it runs
// on a worker; what it costs is bounded by the rows it reads: a range with too many of them is read in
// coarser grains.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/admin/time_range.h"
#include "weir/base/json_write.h"
#include "weir/store/traffic_store.h"

namespace weir::admin {

/// The steps of a range: whole ones, the last of which is over.
struct Steps {
  TimeRange range;
  int64_t step_s = 60;
  int64_t first_s = 0;
  size_t count = 0;

  /// Charts of `range` as of now. `partial`: also the step that is not over yet, where counts are no rates.
  /// The grain of the sums is `grain`.
  static Steps of(const TimeRange& range, int64_t step_s, int64_t now_s, bool partial = false);
  /// nullopt: not in a whole step.
  std::optional<size_t> index(int64_t at_s) const;
  /// "from_ms":..,"to_ms":..,"step_ms":..,"times_ms":[...]
  void write(json::Writer& w) const;
};

/// At most this many rows are read for one answer: about half a second of a worker.
inline constexpr uint64_t kRowsMax = 250'000;

/// Sets the query's grain: the coarsest that fits into `step_s`, coarser where the rows are too many.
/// Answers the step that comes of it.
Result<int64_t> choose_grain(store::TrafficStore& traffic, store::TrafficQuery& query, int64_t step_s,
                             int64_t now_s);

/// The members of Totals in ui/src/lib/api.ts.
void write_totals(json::Writer& w, const store::Sums& sums);

/// "2.5": dollars without zeros at the end.
std::string short_dollars(int64_t nanodollars);

/// Milliseconds; null without a value.
void write_ms(json::Writer& w, std::optional<double> seconds);

}  // namespace weir::admin
