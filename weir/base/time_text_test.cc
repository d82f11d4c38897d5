#include "weir/base/time_text.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(TimeText, KnownTimes) {
  EXPECT_EQ(rfc3339({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339({951'782'400'007'999'999}), "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(rfc3339({1'795'248'930'123'000'000}), "2026-11-21T08:15:30.123Z");
}

TEST(TimeText, EveryMillisecondIsReadBack) {
  for (int64_t ns = 1'795'248'929'990'000'000; ns < 1'795'248'931'020'000'000; ns += 7'300'000) {
    std::string text = rfc3339({ns});
    EXPECT_EQ(parse_time(text)->unix_ns, ns / 1'000'000 * 1'000'000);
  }
}

TEST(TimeText, ReadsWhatItWritesAndTheStartOfIt) {
  EXPECT_EQ(parse_time("2026-11-21T08:15:30.123Z")->unix_ns, 1'795'248'930'123'000'000);
  EXPECT_EQ(parse_time("2026-11-21T08:15:30.123")->unix_ns, 1'795'248'930'123'000'000);
  EXPECT_EQ(rfc3339(*parse_time("2026-11-21T08:15")), "2026-11-21T08:15:00.000Z");
  EXPECT_EQ(rfc3339(*parse_time("2024-02-29")), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(rfc3339(*parse_time("2026-11")), "2026-11-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(*parse_time("2026")), "2026-01-01T00:00:00.000Z");
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (std::string_view text :
       {"", "x", "202", "2026-", "2026-1", "2026-13", "2025-02-29", "2026-11-21 08:15", "2026-11-21T8",
        "2026-11-21T24", "2026-11-21T08:60", "2026-11-21T08:15:30Z", "2026-11-21T08:15:30.12Z",
        "2026-11-21T08:15:30.123ZZ", "2026--1", "1969-12-31", "9999-01-01", "2026-11-21T-1"})
    EXPECT_FALSE(parse_time(text)) << text;
}

}  // namespace
}  // namespace weir
