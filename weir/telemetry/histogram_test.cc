#include "weir/telemetry/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace weir::telemetry {
namespace {

TEST(Histogram, CellsCoverTheirBoundsAndNothingElse) {
  for (int i = 0; i < kCells; ++i) {
    double lower = cell_lower(i), upper = cell_upper(i);
    ASSERT_NEAR(upper / lower, std::exp2(1.0 / 32), 1e-12);
    ASSERT_EQ(cell_of(std::sqrt(lower * upper)), i);
    // Borders are rounded reals: right on them within one step of a double.
    ASSERT_EQ(cell_of(upper * (1 - 1e-15)), i);
    if (i + 1 < kCells) ASSERT_EQ(cell_of(upper * (1 + 1e-15)), i + 1);
  }
}

TEST(Histogram, UpperBoundsAreIncluded) {
  for (int e = kOctaveMin + 1; e < kOctaveMin + kOctaves; ++e) {
    double power = std::exp2(e);
    EXPECT_EQ(cell_of(power), (e - kOctaveMin) * kCellsPerOctave - 1);
    EXPECT_EQ(cell_of(std::nextafter(power, 1e9)), (e - kOctaveMin) * kCellsPerOctave);
  }
}

TEST(Histogram, WhatLiesOutsideFallsIntoTheEndCells) {
  for (double low : {0.0, -0.0, -1.0, 1e-300, 5e-324, std::exp2(kOctaveMin), std::nan("")})
    EXPECT_EQ(cell_of(low), 0) << low;
  for (double high : {std::exp2(20), std::exp2(20) * 1.001, 1e300, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(cell_of(high), kCells - 1) << high;
  HistogramCells cells;
  for (double v : {-5.0, std::nan(""), 0.0, 1.5})
    cells.record(v);
  HistogramSnapshot s;
  s.add(cells);
  EXPECT_EQ(s.count(), 4u);
  EXPECT_EQ(s.cell(0), 3u);
  EXPECT_EQ(s.sum(), 1.5);
}

TEST(Histogram, QuantilesWithinOnePointOnePercent) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latency(-1, 1.2);
  std::exponential_distribution<double> fast(2000);
  std::uniform_real_distribution<double> tokens(1, 200'000);
  auto check = [&](auto& distribution) {
    HistogramCells cells;
    std::vector<double> values;
    for (int i = 0; i < 100'000; ++i) {
      double v = std::max(2e-6, distribution(random));
      values.push_back(v);
      cells.record(v);
    }
    std::sort(values.begin(), values.end());
    HistogramSnapshot s;
    s.add(cells);
    for (double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0}) {
      size_t rank = std::max<size_t>(1, static_cast<size_t>(std::ceil(q * 1e5)));
      double exact = values[rank - 1];
      EXPECT_LE(std::abs(s.quantile(q) - exact) / exact, 0.011) << q;
    }
    double sum = 0;
    for (double v : values)
      sum += v;
    EXPECT_NEAR(s.sum(), sum, sum * 1e-9);
  };
  check(latency);
  check(fast);
  check(tokens);
  EXPECT_TRUE(std::isnan(HistogramSnapshot().quantile(0.5)));
}

TEST(Histogram, SnapshotsAddUp) {
  HistogramCells a, b, both;
  for (int i = 1; i < 1000; ++i) {
    (i % 3 == 0 ? a : b).record(i * 0.01);
    both.record(i * 0.01);
  }
  HistogramSnapshot merged, other, whole;
  merged.add(a);
  other.add(b);
  merged.add(other);
  whole.add(both);
  EXPECT_EQ(merged.count(), 999u);
  for (int i = 0; i < kCells; ++i)
    ASSERT_EQ(merged.cell(i), whole.cell(i));
  EXPECT_NEAR(merged.sum(), whole.sum(), 1e-9);
}

TEST(Histogram, CumulativeCountsAtBounds) {
  HistogramCells cells;
  for (double v : {0.001, 0.004, 0.1, 1.0, 1.0, 2.0, 4.0, 100.0})
    cells.record(v);
  HistogramSnapshot s;
  s.add(cells);
  // Powers of two are exact; the others apart by more than the error.
  EXPECT_EQ(s.cumulative(std::vector<double>{0.002, 0.5, 1, 2, 3.9, 4, 64, 1000}),
            (std::vector<uint64_t>{1, 3, 5, 6, 6, 7, 7, 8}));
  EXPECT_EQ(s.cumulative(std::vector<double>{1e-9, 1e9}), (std::vector<uint64_t>{0, 8}));
  EXPECT_TRUE(s.cumulative({}).empty());
}

TEST(Histogram, MemoryGrowsWithTheOctavesSeen) {
  HistogramCells cells;
  EXPECT_LE(cells.memory(), 336u);
  for (int i = 0; i < 1000; ++i)
    cells.record(0.01 + i * 0.0025);  // 10 ms to 2.5 s: nine octaves
  EXPECT_LE(cells.memory(), 336u + 9 * 256);
}

}  // namespace
}  // namespace weir::telemetry
