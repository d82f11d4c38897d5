// Sketch: the shape of many latencies in few bytes: how many fell into each cell of telemetry/histogram.h,
// only those cells that have any, in order. Quantiles are known to 1.1 %; sketches of minutes, models and
// tenants add up to the sketch of all of them, which averages do not. A value; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/telemetry/histogram.h"

namespace weir::telemetry {

class Sketch {
 public:
  using Cell = std::pair<uint16_t, uint64_t>;  // index of histogram.h, how many

  void add(double value) { add_cell(static_cast<uint16_t>(cell_of(value)), 1); }
  void add_cell(uint16_t index, uint64_t count);
  void add(const Sketch& other);

  uint64_t count() const;
  bool empty() const { return cells_.empty(); }
  /// Ascending by index.
  const std::vector<Cell>& cells() const { return cells_; }
  /// The value below which the part `q` (0 to 1) lies; nullopt: there are no values.
  std::optional<double> quantile(double q) const;

  /// Appends its bytes: the number of cells, then for each the distance to the one before and its count, as
  /// varints.
  void append_to(std::string& bytes) const;
  /// Takes its bytes from the front of `bytes`. False: these are none.
  bool take_from(std::string_view& bytes);

  friend bool operator==(const Sketch&, const Sketch&) = default;

 private:
  std::vector<Cell> cells_;
};

/// Seven bits a byte, the lowest first, the top bit says that more follow.
void append_varint(std::string& bytes, uint64_t number);
/// False: none is there.
bool take_varint(std::string_view& bytes, uint64_t& number);

}  // namespace weir::telemetry
