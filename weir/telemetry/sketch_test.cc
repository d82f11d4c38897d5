#include "weir/telemetry/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace weir::telemetry {
namespace {

// A spread like that of latencies, from a counter.
std::vector<double> values(int n, double scale) {
  std::vector<double> v;
  uint64_t state = 7;
  for (int i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v.push_back(scale * std::exp(static_cast<double>(state >> 40) / (1 << 24) * 5));
  }
  return v;
}

TEST(Sketch, KnowsQuantilesToOnePercentAlsoOfASum) {
  std::vector<double> a = values(5000, 0.01), b = values(3000, 0.4);
  Sketch left, right;
  for (double v : a)
    left.add(v);
  for (double v : b)
    right.add(v);
  left.add(right);
  a.insert(a.end(), b.begin(), b.end());
  std::ranges::sort(a);
  EXPECT_EQ(left.count(), a.size());
  for (double q : {0.01, 0.5, 0.95, 0.99, 1.0}) {
    double exact = a[static_cast<size_t>(std::ceil(q * static_cast<double>(a.size()))) - 1];
    EXPECT_NEAR(*left.quantile(q), exact, exact * 0.011) << q;
  }
  EXPECT_FALSE(Sketch().quantile(0.5));
}

TEST(Sketch, SurvivesItsBytes) {
  Sketch s;
  for (double v : values(1000, 0.001))
    s.add(v);
  std::string bytes;
  s.append_to(bytes);
  Sketch().append_to(bytes);
  std::string_view rest = bytes;
  Sketch read, nothing;
  ASSERT_TRUE(read.take_from(rest));
  ASSERT_TRUE(nothing.take_from(rest));
  EXPECT_EQ(read, s);
  EXPECT_TRUE(nothing.empty());
  EXPECT_TRUE(rest.empty());
}

TEST(Sketch, RefusesBytesThatAreNone) {
  Sketch s;
  for (double v : values(50, 1))
    s.add(v);
  std::string bytes;
  s.append_to(bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string_view cut = std::string_view(bytes).substr(0, n);
    EXPECT_FALSE(Sketch().take_from(cut)) << n;
  }
  for (std::string bad : {std::string("\xff\xff\xff\x7f"), std::string("\x02\x01\x01\x00\x01", 5),
                          std::string("\x01\xff\x7f\x01"), std::string("\x01\x05\x00", 3)}) {
    std::string_view rest = bad;
    EXPECT_FALSE(Sketch().take_from(rest));
  }
}

}  // namespace
}  // namespace weir::telemetry
