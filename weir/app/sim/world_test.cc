// Whole worlds in the test program, so that the sanitizers see them too; `weir sim` runs them by the
// thousand.
#include "weir/app/sim/world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::app::sim {
namespace {

std::vector<std::string> story(uint64_t seed) {
  std::vector<std::string> lines;
  Report report = World(seed, [&](std::string_view line) { lines.emplace_back(line); }).run();
  EXPECT_EQ(report.violation, "") << "weir sim --seed " << seed << " --trace";
  return lines;
}

TEST(World, HoldsFromItsBeginningToItsEnd) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Report report = World(seed, {}).run();
    EXPECT_EQ(report.violation, "") << "weir sim --seed " << seed << " --trace";
    EXPECT_GT(report.requests, 0u);
    EXPECT_GT(report.records, 0u);
    EXPECT_GT(report.outcomes["answered"], 0u);
  }
}

TEST(World, IsAFunctionOfItsSeed) {
  std::vector<std::string> one = story(77), other = story(77);
  ASSERT_GT(one.size(), 100u);
  EXPECT_EQ(one, other);
  EXPECT_NE(one, story(78));
}

TEST(World, PlansDiffer) {
  int calm = 0, lying = 0, on_disk = 0, busy = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Plan plan = draw_plan(seed);
    EXPECT_EQ(plan.summary(), draw_plan(seed).summary());
    calm += plan.blows.empty() ? 1 : 0;
    lying += plan.lies() ? 1 : 0;
    on_disk += plan.records.on_disk ? 1 : 0;
    busy += plan.busy ? 1 : 0;
  }
  for (int count : {calm, lying, on_disk, busy}) {
    EXPECT_GT(count, 5);
    EXPECT_LT(count, 150);
  }
}

}  // namespace
}  // namespace weir::app::sim
