// For tests: what every Ledger must do, run against each adapter: an event store of its own in front, and the
// ledger that its records come to.
//   struct SqliteLedgers {
//     Result<void> append(std::span<const EventBatch> batches);   // and all it adds is in the ledger
//     Result<uint64_t> fold(WallTime before);
//     std::unique_ptr<Ledger> ledger();
//   };
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/store/ledger.h"
#include "weir/store/testing.h"
#include "weir/telemetry/event.h"

namespace weir::store {

inline constexpr int64_t kLedgerTestDay = 1'795'219'200;  // 2026-11-21

/// One event that ended at that hour (of 2026-11-21).
inline telemetry::Event ledger_event(int hour, std::string_view tenant, std::string_view key,
                                     std::string_view model, int64_t nanodollars) {
  using telemetry::EventText;
  telemetry::Event e{.event_class = telemetry::EventClass::kUsage,
                     .received_unix_ns = (kLedgerTestDay + hour * 3600) * 1'000'000'000 - 1'000'000,
                     .ended_us = 2'000,
                     .input_tokens = 100,
                     .output_tokens = 10,
                     .cached_input_tokens = 40,
                     .reasoning_tokens = 3,
                     .cost_nanodollars = nanodollars,
                     .input_nanodollars = nanodollars / 2,
                     .cache_read_nanodollars = 1,
                     .cache_write_nanodollars = 2,
                     .cache_write_tokens = 20,
                     .price_version = 20261120};
  e.text(EventText::kTenant) = tenant;
  e.text(EventText::kKey) = key;
  e.text(EventText::kModel) = model;
  e.text(EventText::kOutcome) = "ok";
  return e;
}

/// A batch of ring "0" with these events.
struct LedgerBatch {
  LedgerBatch(const std::vector<telemetry::Event>& events, uint64_t first) {
    uint64_t sequence = first;
    for (const telemetry::Event& e : events) {
      std::vector<std::byte> one(telemetry::kEventBytesMax);
      one.resize(telemetry::encode(e, one));
      append_event(bytes, sequence++, one);
    }
    batch = {.ring = "0", .first = first, .next = sequence, .events = events.size(), .bytes = bytes};
  }
  LedgerBatch(const LedgerBatch&) = delete;  // batch.bytes points into bytes
  std::vector<std::byte> bytes;
  EventBatch batch;
};

/// "tenant model: requests tokens nanodollars"
inline std::vector<std::string> usage_lines(Ledger& ledger, const UsageQuery& query) {
  auto sums = ledger.usage(query);
  if (!sums) return {sums.error().message};
  std::vector<std::string> lines;
  for (const UsageSum& sum : *sums)
    lines.push_back(fmt::format("{}: {} {} {}", fmt::join(sum.by, " "), sum.requests,
                                sum.input_tokens + sum.output_tokens, sum.nanodollars));
  return lines;
}

template <class Adapter>
class LedgerSuite : public ::testing::Test {
 protected:
  using Event = telemetry::Event;
  using EventText = telemetry::EventText;
  static Event event(int hour, std::string_view tenant, std::string_view key, std::string_view model,
                     int64_t nanodollars) {
    return ledger_event(hour, tenant, key, model, nanodollars);
  }
  Result<void> append(const std::vector<Event>& events, uint64_t first) {
    LedgerBatch one(events, first);
    return adapter_.append({&one.batch, 1});
  }
  std::vector<std::string> usage(std::string_view by, std::vector<std::pair<UsageBy, std::string>> where = {},
                                 int64_t from_s = 0, int64_t to_s = kLedgerTestDay + 86'400) {
    return usage_lines(*ledger_, {from_s, to_s, parse_usage_by(by).value(), std::move(where)});
  }

  Adapter adapter_;
  std::unique_ptr<Ledger> ledger_ = adapter_.ledger();
};
TYPED_TEST_SUITE_P(LedgerSuite);

TYPED_TEST_P(LedgerSuite, SumsByAnythingInOneQuery) {
  ASSERT_TRUE(this->append({this->event(1, "a", "k1", "river", 1000), this->event(1, "a", "k2", "river", 500),
                            this->event(2, "b", "k3", "lake", 7), this->event(2, "a", "k1", "lake", 50)},
                           1));
  EXPECT_THAT(this->usage(""), ::testing::ElementsAre(": 4 440 1557"));
  EXPECT_THAT(this->usage("tenant"), ::testing::ElementsAre("a: 3 330 1550", "b: 1 110 7"));
  EXPECT_THAT(this->usage("tenant,model"),
              ::testing::ElementsAre("a lake: 1 110 50", "a river: 2 220 1500", "b lake: 1 110 7"));
  EXPECT_THAT(this->usage("hour"),
              ::testing::ElementsAre("2026-11-21T01:00:00Z: 2 220 1500", "2026-11-21T02:00:00Z: 2 220 57"));
  EXPECT_THAT(this->usage("day,price_version"),
              ::testing::ElementsAre("2026-11-21T00:00:00Z 20261120: 4 440 1557"));
  EXPECT_THAT(this->usage("key", {{UsageBy::kTenant, "a"}}),
              ::testing::ElementsAre("k1: 2 220 1050", "k2: 1 110 500"));
  EXPECT_THAT(this->usage("", {}, kLedgerTestDay + 2 * 3600), ::testing::ElementsAre(": 2 220 57"));

  auto whole = this->ledger_->usage({0, kLedgerTestDay + 86'400, {}, {}}).value().front();
  EXPECT_EQ(whole.cached_input_tokens, 160);
  EXPECT_EQ(whole.cache_write_tokens, 80);
  EXPECT_EQ(whole.reasoning_tokens, 12);
  EXPECT_EQ(whole.output_nanodollars() + whole.input_nanodollars + whole.cache_read_nanodollars +
                whole.cache_write_nanodollars,
            whole.nanodollars);
}

TYPED_TEST_P(LedgerSuite, AnHourIsTheOneInWhichTheRequestEnded) {
  telemetry::Event e = this->event(3, "a", "k", "river", 5);
  e.received_unix_ns -= 1'000'000;  // received two milliseconds before three, ended at three
  e.ended_us = 1'000;
  ASSERT_TRUE(this->append({e}, 1));
  EXPECT_THAT(this->usage("hour"), ::testing::ElementsAre("2026-11-21T02:00:00Z: 1 110 5"));
}

TYPED_TEST_P(LedgerSuite, ABatchThatComesAgainIsCountedOnce) {
  std::vector<telemetry::Event> events{this->event(1, "a", "k1", "river", 10),
                                       this->event(1, "a", "k1", "river", 20)};
  ASSERT_TRUE(this->append(events, 1));
  ASSERT_TRUE(this->append(events, 1));
  events.push_back(this->event(1, "a", "k1", "river", 300));
  ASSERT_TRUE(this->append(events, 1));  // two of them are stored
  EXPECT_THAT(this->usage("key"), ::testing::ElementsAre("k1: 3 330 330"));
}

TYPED_TEST_P(LedgerSuite, LeavesOutWhatAskedNobodyAndCountsFailures) {
  telemetry::Event refused = this->event(1, "a", "k", "river", -1),
                   failed = this->event(1, "a", "k", "river", 3);
  refused.event_class = telemetry::EventClass::kTelemetry;
  failed.text(telemetry::EventText::kOutcome) = "client_left";
  failed.usage_estimated = true;
  ASSERT_TRUE(this->append({refused, failed}, 1));
  auto sum = this->ledger_->usage({0, kLedgerTestDay + 86'400, {}, {}}).value().front();
  EXPECT_EQ(sum.requests, 1);
  EXPECT_EQ(sum.failed, 1);
  EXPECT_EQ(sum.estimated, 1);
}

TYPED_TEST_P(LedgerSuite, TellsWhatIsSpentInEachPeriod) {
  telemetry::Event config_key = this->event(30, "", "", "river", 4);  // hour 30: the next day
  config_key.text(telemetry::EventText::kPrincipal) = "team-a";
  ASSERT_TRUE(
      this->append({this->event(-500, "a", "k1", "river", 1), this->event(-20, "a", "k1", "river", 20),
                    this->event(1, "a", "k1", "river", 300), config_key},
                   1));
  auto spent = this->ledger_->spent(kLedgerTestDay, kLedgerTestDay - 20 * 86'400).value();
  const SpentInPeriods& key = spent["key"]["k1"];
  EXPECT_EQ(key.day.nanodollars, 300);
  EXPECT_EQ(key.month.nanodollars, 320);
  EXPECT_EQ(key.total.nanodollars, 321);
  EXPECT_EQ(key.total.tokens, 330);
  EXPECT_EQ(spent["tenant"]["a"].total.nanodollars, 321);
  EXPECT_EQ(spent["key"]["team-a"].day.nanodollars, 4) << "what lies ahead counts too";
}

TYPED_TEST_P(LedgerSuite, OldHoursAreFoldedAndNothingIsLost) {
  ASSERT_TRUE(
      this->append({this->event(-500, "a", "k1", "river", 1), this->event(-499, "a", "k1", "lake", 20),
                    this->event(1, "a", "k1", "river", 300)},
                   1));
  EXPECT_EQ(this->adapter_.fold(WallTime{kLedgerTestDay * 1'000'000'000}).value(), 2u);
  EXPECT_EQ(this->adapter_.fold(WallTime{kLedgerTestDay * 1'000'000'000}).value(), 0u);
  EXPECT_THAT(this->usage("hour,model"),
              ::testing::ElementsAre("before : 2 220 21", "2026-11-21T01:00:00Z river: 1 110 300"));
  EXPECT_EQ(this->ledger_->spent(kLedgerTestDay, kLedgerTestDay).value()["key"]["k1"].total.nanodollars, 321);
  ASSERT_TRUE(this->append({this->event(-400, "a", "k1", "sea", 4000)}, 4));
  EXPECT_EQ(this->adapter_.fold(WallTime{kLedgerTestDay * 1'000'000'000}).value(), 1u);
  EXPECT_EQ(this->ledger_->spent(kLedgerTestDay, kLedgerTestDay).value()["key"]["k1"].total.nanodollars,
            4321);
}

REGISTER_TYPED_TEST_SUITE_P(LedgerSuite, SumsByAnythingInOneQuery, AnHourIsTheOneInWhichTheRequestEnded,
                            ABatchThatComesAgainIsCountedOnce, LeavesOutWhatAskedNobodyAndCountsFailures,
                            TellsWhatIsSpentInEachPeriod, OldHoursAreFoldedAndNothingIsLost);

}  // namespace weir::store
