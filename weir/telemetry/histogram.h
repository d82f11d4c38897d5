// A histogram of positive numbers with cells that grow by 2^(1/32): any quantile is known to 1.1 %, whatever
// the scale. Cell i of octave e covers (2^(e+i/32), 2^(e+(i+1)/32)], upper bound included as in Prometheus'
// native histograms of schema 5, whose cells these are (research: base-2 exponential layout of
// OpenTelemetry/Prometheus).
//
// Recording is by ONE thread, with relaxed loads and stores: no lock, no read-modify-write. Any thread may
// read meanwhile. The cells of an octave are allocated when its first value comes: 256 bytes for each octave
// seen, 336 for the rest, so a latency that spreads over eight octaves takes 2.4 KB where all cells would
// take 10 KB.
//
// The cell is found without a logarithm: the exponent of the double is the octave; its top 8 mantissa bits
// pick one of 256 slices, each at most one cell border wide, and one comparison with that border decides.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::telemetry {

inline constexpr int kCellsPerOctave = 32;
inline constexpr int kOctaveMin = -20;  // 2^-20: just below a microsecond, a millionth of a dollar
inline constexpr int kOctaves = 40;     // up to 2^20: 12 days, a million tokens
inline constexpr int kCells = kOctaves * kCellsPerOctave;

/// Bounds of cell `index`: lower excluded, upper included.
double cell_lower(int index);
double cell_upper(int index);

namespace detail {

// The mantissa bits of 2^(i/32), rounded down; one more entry than cells, so that a next border always
// exists.
inline constexpr std::array<uint64_t, kCellsPerOctave + 1> kBorders = {
    0x0000000000000, 0x059b0d3158574, 0x0b5586cf9890f, 0x11301d0125b50, 0x172b83c7d517a, 0x1d4873168b9aa,
    0x2387a6e756238, 0x29e9df51fdee1, 0x306fe0a31b715, 0x371a7373aa9ca, 0x3dea64c123422, 0x44e086061892d,
    0x4bfdad5362a27, 0x5342b569d4f81, 0x5ab07dd485429, 0x6247eb03a5584, 0x6a09e667f3bcc, 0x71f75e8ec5f73,
    0x7a11473eb0186, 0x82589994cce12, 0x8ace5422aa0db, 0x93737b0cdc5e4, 0x9c49182a3f090, 0xa5503b23e255c,
    0xae89f995ad3ad, 0xb7f76f2fb5e46, 0xc199bdd85529c, 0xcb720dcef9069, 0xd5818dcfba487, 0xdfc97337b9b5e,
    0xea4afa2a490d9, 0xf50765b6e4540, 0x10000000000000};

// The cell in which each of the 256 slices of an octave begins.
inline constexpr std::array<uint8_t, 256> kSliceCell = [] {
  std::array<uint8_t, 256> cells{};
  for (uint64_t slice = 0; slice < 256; ++slice) {
    uint8_t cell = 0;
    while (kBorders[cell + 1u] <= slice << 44)
      ++cell;
    cells[slice] = cell;
  }
  return cells;
}();

}  // namespace detail

/// The cell of `value`: what lies outside the range, zero, negative numbers and NaN fall into the first or
/// last.
inline int cell_of(double value) {
  constexpr uint64_t kFirst = std::bit_cast<uint64_t>(1.0 / (1 << -kOctaveMin));
  constexpr uint64_t kLast = std::bit_cast<uint64_t>(static_cast<double>(1 << (kOctaves + kOctaveMin))) - 1;
  // One bit pattern less puts a value that equals a border below it.
  uint64_t bits = value > 0 ? std::bit_cast<uint64_t>(value) - 1 : 0;
  if (bits < kFirst) [[unlikely]]
    bits = kFirst;
  if (bits > kLast) [[unlikely]]
    bits = kLast;
  uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  int octave = static_cast<int>(bits >> 52) - 1023 - kOctaveMin;
  unsigned cell = detail::kSliceCell[mantissa >> 44];
  cell += mantissa >= detail::kBorders[cell + 1];
  return octave * kCellsPerOctave + static_cast<int>(cell);
}

/// The cells one core writes. record() by one thread; everything else by any.
class HistogramCells {
 public:
  HistogramCells() = default;
  HistogramCells(const HistogramCells&) = delete;
  HistogramCells& operator=(const HistogramCells&) = delete;
  ~HistogramCells();

  /// Negative numbers and NaN count as 0. Requires a finite value.
  void record(double value) {
    if (!(value > 0)) [[unlikely]]
      value = 0;
    int index = cell_of(value);
    std::atomic<Octave*>& slot = octaves_[static_cast<unsigned>(index) / kCellsPerOctave];
    Octave* octave = slot.load(std::memory_order_relaxed);
    if (!octave) [[unlikely]]
      octave = allocate(slot);
    std::atomic<uint64_t>& cell = (*octave)[static_cast<unsigned>(index) % kCellsPerOctave];
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  /// Bytes held, this object included.
  size_t memory() const;

 private:
  friend class HistogramSnapshot;
  using Octave = std::array<std::atomic<uint64_t>, kCellsPerOctave>;
  static Octave* allocate(std::atomic<Octave*>& slot);

  std::array<std::atomic<Octave*>, kOctaves> octaves_{};
  std::atomic<double> sum_{0};
};

/// Cells added up at one moment. A value; 10 KB.
class HistogramSnapshot {
 public:
  /// Adds what `cells` holds now. Its count and sum may be one record apart.
  void add(const HistogramCells& cells);
  void add(const HistogramSnapshot& other);
  void clear() { *this = HistogramSnapshot(); }

  uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  uint64_t cell(int index) const { return cells_[static_cast<size_t>(index)]; }

  /// The value below which the part `q` (0 to 1) of the values lies, within 1.1 % for values inside the
  /// range; NaN without values.
  double quantile(double q) const;

  /// How many values are at most bounds[i], for ascending bounds. A bound inside a cell counts the whole cell
  /// if it lies in the cell's upper half: off by at most 1.1 % of the bound, always whole numbers, never
  /// falling.
  std::vector<uint64_t> cumulative(std::span<const double> bounds) const;

 private:
  std::array<uint64_t, kCells> cells_{};
  uint64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace weir::telemetry
