#include "weir/telemetry/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weir::telemetry {
namespace {

// The value with the least worst relative error in its cell: l * u / mean(l, u).
double representative(int index) {
  static const std::array<double, kCells> kValues = [] {
    std::array<double, kCells> values{};
    for (int i = 0; i < kCells; ++i)
      values[static_cast<size_t>(i)] = 2 * cell_lower(i) * cell_upper(i) / (cell_lower(i) + cell_upper(i));
    return values;
  }();
  return kValues[static_cast<size_t>(index)];
}

}  // namespace

double cell_lower(int index) {
  return std::exp2(kOctaveMin + static_cast<double>(index) / kCellsPerOctave);
}

double cell_upper(int index) {
  return cell_lower(index + 1);
}

HistogramCells::~HistogramCells() {
  for (auto& octave : octaves_)
    delete octave.load(std::memory_order_relaxed);
}

HistogramCells::Octave* HistogramCells::allocate(std::atomic<Octave*>& slot) {
  auto* octave = new Octave{};
  slot.store(octave, std::memory_order_release);  // readers must see the zeros
  return octave;
}

size_t HistogramCells::memory() const {
  size_t bytes = sizeof *this;
  for (const auto& octave : octaves_)
    if (octave.load(std::memory_order_relaxed)) bytes += sizeof(Octave);
  return bytes;
}

void HistogramSnapshot::add(const HistogramCells& cells) {
  for (size_t i = 0; i < cells.octaves_.size(); ++i) {
    const auto* octave = cells.octaves_[i].load(std::memory_order_acquire);
    if (!octave) continue;
    for (size_t j = 0; j < octave->size(); ++j) {
      uint64_t n = (*octave)[j].load(std::memory_order_relaxed);
      cells_[i * kCellsPerOctave + j] += n;
      count_ += n;
    }
  }
  sum_ += cells.sum_.load(std::memory_order_relaxed);
}

void HistogramSnapshot::add(const HistogramSnapshot& other) {
  for (size_t i = 0; i < cells_.size(); ++i)
    cells_[i] += other.cells_[i];
  count_ += other.count_;
  sum_ += other.sum_;
}

double HistogramSnapshot::quantile(double q) const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  int last = 0;
  for (int i = 0; i < kCells; ++i) {
    if (cell(i) == 0) continue;
    seen += cell(i);
    last = i;
    if (seen >= rank) break;
  }
  return representative(last);
}

std::vector<uint64_t> HistogramSnapshot::cumulative(std::span<const double> bounds) const {
  std::vector<uint64_t> counts;
  counts.reserve(bounds.size());
  uint64_t seen = 0;
  int next = 0;
  for (double bound : bounds) {
    while (next < kCells && representative(next) <= bound)
      seen += cell(next++);
    counts.push_back(seen);
  }
  return counts;
}

}  // namespace weir::telemetry
