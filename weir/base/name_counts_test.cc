#include "weir/base/name_counts.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(NameCounts, CountsEachNameAlone) {
  NameCounts counts;
  EXPECT_EQ(counts.add("10.0.0.1"), 1u);
  EXPECT_EQ(counts.add("10.0.0.1"), 2u);
  EXPECT_EQ(counts.add("10.0.0.10"), 1u);
  counts.remove("10.0.0.1");
  EXPECT_EQ(counts.add("10.0.0.1"), 2u);
}

TEST(NameCounts, ForgetsANameWithoutAny) {
  NameCounts counts;
  counts.add("a");
  counts.add("a");
  counts.remove("a");
  EXPECT_EQ(counts.names(), 1u);
  counts.remove("a");
  EXPECT_EQ(counts.names(), 0u);
  counts.remove("a");
  EXPECT_EQ(counts.add("a"), 1u);
}

}  // namespace
}  // namespace weir
