// What the process counts and measures. The Registry names the metric families, once, at start; each core
// gets one Shard and is its only writer; any thread may collect() all shards while the cores go on.
//
// A series is a family and its label values, looked up in the shard (one hash and one comparison) for a
// handle: Counter, Gauge or Histogram, a pointer whose updates are plain relaxed loads and stores. Whoever
// serves many requests with the same labels may keep the handles; they live as long as the registry. Series
// are never dropped, so a family holds at most `series_max` in each shard; what comes later is counted under
// the label value "__overflow__" and in weir_metrics_overflow_total.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "weir/telemetry/histogram.h"

namespace weir::telemetry {

enum class Kind : uint8_t { kCounter, kGauge, kHistogram };

struct FamilyInfo {
  std::string name;  // "weir_requests_total": the unit in the name, counters end in _total
  std::string help;  // one sentence
  Kind kind = Kind::kCounter;
  std::vector<std::string> labels;
  std::vector<double> bounds;  // of the classic histogram view, ascending, without +Inf
};

inline constexpr std::string_view kOverflow = "__overflow__";

/// One series in one shard. Immutable but for the numbers; written by its shard's core only.
struct Cell {
  uint16_t family;
  std::string labels;                         // the label values, encoded (label_values reads them)
  const Cell* older = nullptr;                // of the same shard
  std::atomic<double>* value = nullptr;       // of counters and gauges, in the shard's block
  std::unique_ptr<HistogramCells> histogram;  // of histograms only
};

/// The label values of a cell, in the family's order.
std::vector<std::string_view> label_values(std::string_view encoded);

/// Handles: cheap to copy, valid as long as the registry, to be used by the shard's core only. A handle made
/// without a shard must not be used.
class Counter {
 public:
  Counter() = default;
  /// Requires n >= 0.
  void add(double n = 1) {
    value_->store(value_->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// False: it was made without a shard.
  explicit operator bool() const { return value_ != nullptr; }

 private:
  friend class Shard;
  explicit Counter(Cell* cell) : value_(cell->value) {}
  std::atomic<double>* value_ = nullptr;
};

/// Shards are summed: a gauge set on two cores reads as the sum.
class Gauge {
 public:
  Gauge() = default;
  void set(double v) { value_->store(v, std::memory_order_relaxed); }
  void add(double n) { set(value_->load(std::memory_order_relaxed) + n); }

 private:
  friend class Shard;
  explicit Gauge(Cell* cell) : value_(cell->value) {}
  std::atomic<double>* value_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  /// Seconds, tokens, dollars: what the family's name says.
  void record(double v) { cells_->record(v); }

 private:
  friend class Shard;
  explicit Histogram(Cell* cell) : cells_(cell->histogram.get()) {}
  HistogramCells* cells_ = nullptr;
};

/// A family whose series have handles of type H.
template <class H>
struct Family {
  uint16_t index = 0;
};

using Labels = std::initializer_list<std::string_view>;

/// One core's series. One thread at a time; made by Registry::add_shard.
class Shard {
 public:
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  /// The series with these label values, in the order of the family's label names; made when new. Requires as
  /// many values as the family has labels.
  template <class H>
  H series(Family<H> family, Labels values) {
    return H(find(family.index, values, hash(values)));
  }

  /// The series of several families that share their labels, with one hash:
  ///   auto [requests, seconds] = shard.series_of({tenant, model}, requests_family, seconds_family);
  template <class... H>
  std::tuple<H...> series_of(Labels values, Family<H>... families) {
    uint64_t h = hash(values);
    return std::tuple<H...>{H(find(families.index, values, h))...};
  }

 private:
  friend class Registry;
  struct Slot {
    uint64_t hash;
    Cell* cell;
  };
  Shard(const std::vector<FamilyInfo>& families, size_t series_max);
  static uint64_t hash(Labels values);
  Cell* find(uint16_t family, Labels values, uint64_t tuple_hash);
  Cell* add_cell(uint16_t family, Labels values, uint64_t h);
  std::unique_ptr<Cell> make_cell(uint16_t family);
  Cell* overflow(uint16_t family);
  void grow();

  const std::vector<FamilyInfo>& families_;  // the registry's; fixed once a shard exists
  size_t series_max_;
  std::vector<uint32_t> series_count_;  // by family
  std::vector<Cell*> overflow_cells_;   // by family; null until needed
  std::vector<Slot> slots_;             // open addressing, a power of two
  // The numbers of counters and gauges side by side, in the order in which they were made: those of one
  // route, which are written together, share their cache lines.
  struct alignas(64) Values {
    std::array<std::atomic<double>, 8> numbers{};
  };
  std::deque<Values> values_;
  size_t values_used_ = Values().numbers.size();  // of the last block
  size_t used_ = 0;
  std::atomic<Cell*> newest_{nullptr};  // published with release: a reader walks `older` from here
};

/// A series added up over all shards, by reference to their cells: read the numbers when they are wanted.
struct SeriesView {
  const FamilyInfo* family;
  std::vector<std::string_view> labels;
  std::vector<const Cell*> cells;

  double value() const;                                   // counters and gauges
  void add_histogram(HistogramSnapshot& snapshot) const;  // histograms
};

/// One per process. Families first, then shards; both before or while serving, from the thread that builds
/// the process. collect() from any thread.
class Registry {
 public:
  struct Options {
    size_t series_max = 10'000;  // of a family in each shard
  };
  Registry();
  explicit Registry(Options options);

  /// Requires a name and label names that Prometheus allows, a name not used before, and no shard yet.
  Family<Counter> add_counter(std::string name, std::string help, std::vector<std::string> labels = {});
  Family<Gauge> add_gauge(std::string name, std::string help, std::vector<std::string> labels = {});
  Family<Histogram> add_histogram(std::string name, std::string help, std::vector<std::string> labels,
                                  std::vector<double> bounds);

  /// A new core's shard, owned by the registry.
  Shard& add_shard();

  /// All series, grouped by family in the order of registration, then by label values. Views into the
  /// registry. Thread-safe. Blocks only against add_shard.
  std::vector<SeriesView> collect() const;

  const std::vector<FamilyInfo>& families() const { return families_; }

 private:
  uint16_t add_family(FamilyInfo info);

  Options options_;
  std::vector<FamilyInfo> families_;
  mutable std::mutex mutex_;  // guards shards_, never held while a series is touched
  std::vector<std::unique_ptr<Shard>> shards_;
};

/// Bounds in seconds from the conventions for generative AI: 10 ms to 82 s, doubling.
std::vector<double> latency_bounds();
/// The same for the first token and the time between tokens: 1 ms to 10 s.
std::vector<double> token_latency_bounds();
/// Tokens: powers of four, 1 to a million.
std::vector<double> token_count_bounds();

}  // namespace weir::telemetry
