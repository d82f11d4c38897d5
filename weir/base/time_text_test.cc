#include "weir/base/time_text.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(TimeText, KnownTimes) {
  EXPECT_EQ(rfc3339({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339({951'782'400'007'999'999}), "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(rfc3339({1'795'248'930'123'000'000}), "2026-11-21T08:15:30.123Z");
}

TEST(TimeText, KeptCalendarReadsTheSame) {
  TimeText kept;
  for (int64_t ns = 1'795'248'929'990'000'000; ns < 1'795'248'931'020'000'000; ns += 7'300'000)
    EXPECT_EQ(kept.rfc3339({ns}), rfc3339({ns}));
}

}  // namespace
}  // namespace weir
