// The sums of charts against the requests they are sums of; pages of requests against all of them.
#include "weir/store/sqlite/sqlite_traffic_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/io/net/test_loop.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/testing.h"

namespace weir::store::sqlite {
namespace {

using telemetry::Event;
using telemetry::EventClass;
using telemetry::EventText;
using testing::ElementsAre;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBegin_s = 1'795'248'000;  // 2026-11-21T08:00:00Z

class TrafficTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = disk_.make_temporary_directory("weir-traffic-test").value();
    events_ = SqliteEventStore::open({.path = directory_ + "/events.db", .replica = "replica-a"}).value();
    open();
  }
  void TearDown() override { disk_.remove(directory_); }
  void open(size_t keys_max = 1000) {
    traffic_ = SqliteTrafficStore::open({.path = directory_ + "/traffic.db",
                                         .events_path = directory_ + "/events.db",
                                         .segments_max = 2,
                                         .keys_max = keys_max})
                   .value();
  }

  // Requests [first, next), one a second: request n has n tokens in and takes n ms; each tenth is refused.
  void store(uint64_t first, uint64_t next) {
    std::vector<std::byte> bytes;
    for (uint64_t s = first; s < next; ++s) {
      std::string id = fmt::format("req-{:03}", s), model = s % 3 == 0 ? "lake" : "river";
      Event event;
      event.event_class = EventClass::kUsage;
      event.received_unix_ns = (kBegin_s + static_cast<int64_t>(s)) * kSecond;
      event.input_tokens = static_cast<int64_t>(s);
      event.cost_nanodollars = 10;
      event.status = s % 10 == 0 ? 429 : 200;
      event.ended_us = static_cast<int64_t>(s) * 1000;
      event.attempts = s % 7 == 0 ? 2 : 1;
      event.text(EventText::kRequestId) = id;
      event.text(EventText::kModel) = model;
      event.text(EventText::kTenant) = tenant_;
      event.text(EventText::kOutcome) = s % 10 == 0 ? "too_many_requests" : "ok";
      std::byte encoded[telemetry::kEventBytesMax];
      append_event(bytes, s, std::span(encoded).first(telemetry::encode(event, encoded)));
    }
    EventBatch batch{"0",
                     first,
                     next,
                     next - first,
                     (kBegin_s + static_cast<int64_t>(first)) * kSecond,
                     (kBegin_s + static_cast<int64_t>(next) - 1) * kSecond,
                     bytes};
    ASSERT_TRUE(events_->append({&batch, 1}));
  }
  void follow() {
    for (;;) {
      auto more = traffic_->follow();
      ASSERT_TRUE(more) << more.error().message;
      if (!*more) return;
    }
  }
  Sums all(TrafficQuery query = {.from_s = 0, .to_s = 2 * kBegin_s}) {
    Sums sum;
    EXPECT_TRUE(traffic_->sums(query, [&](int64_t, const TrafficKey&, const Sums& sums) { sum.add(sums); }));
    return sum;
  }

  io::net::TestLoop host_;
  io::Disk& disk_ = host_.loop().disk();
  std::string directory_;
  std::string_view tenant_;  // of what store() makes
  std::unique_ptr<SqliteEventStore> events_;
  std::unique_ptr<SqliteTrafficStore> traffic_;
};

TEST_F(TrafficTest, MinutesAndHoursAreTheSumOfTheRequests) {
  for (uint64_t s = 1; s < 200; s += 20)
    store(s, std::min<uint64_t>(s + 20, 200));
  follow();
  for (Grain grain : {Grain::kTenSeconds, Grain::kMinute, Grain::kHour}) {
    Sums sum = all({.from_s = 0, .to_s = 2 * kBegin_s, .grain = grain});
    EXPECT_EQ(sum.requests, 199u);
    EXPECT_EQ(sum.ended(Ending::kOk), 180u);
    EXPECT_EQ(sum.ended(Ending::kLimited), 19u);
    EXPECT_EQ(sum.input_tokens, 199u * 200 / 2);
    EXPECT_EQ(sum.cost_nanodollars, 1990u);
    EXPECT_EQ(sum.retried, 28u);
    EXPECT_EQ(sum.seconds.count(), 199u);
    EXPECT_NEAR(*sum.seconds.quantile(0.5), 0.100, 0.0011);
    EXPECT_NEAR(*sum.seconds.quantile(0.99), 0.198, 0.0022);
  }
  Sums lake = all({.from_s = 0, .to_s = 2 * kBegin_s, .model = "lake"});
  EXPECT_EQ(lake.requests, 66u);
  Sums second = all({.from_s = kBegin_s + 60, .to_s = kBegin_s + 120});
  EXPECT_EQ(second.requests, 60u) << "the second minute";
  EXPECT_EQ(*traffic_->rows({.from_s = 0, .to_s = 2 * kBegin_s}, 1000), 8u) << "four minutes, two models";
  EXPECT_EQ(*traffic_->rows({.from_s = 0, .to_s = 2 * kBegin_s}, 5), 5u);
}

TEST_F(TrafficTest, NothingIsTakenInTwice) {
  store(1, 50);
  follow();
  follow();
  open();  // as after a restart
  follow();
  EXPECT_EQ(all().requests, 49u);
  store(50, 60);
  follow();
  EXPECT_EQ(all().requests, 59u) << "the same minute goes on";
}

TEST_F(TrafficTest, ANewFileOfRecordsIsTakenInFromItsBeginning) {
  store(1, 10);
  store(10, 20);
  follow();
  events_.reset();
  for (const char* name : {"/events.db", "/events.db-wal", "/events.db-shm"})
    disk_.remove(directory_ + name);
  events_ = SqliteEventStore::open({.path = directory_ + "/events.db", .replica = "replica-b"}).value();
  store(1, 5);
  follow();
  EXPECT_EQ(all().requests, 19u + 4u);
}

TEST_F(TrafficTest, TooManyKeysOfAMinuteAreSummedTogether) {
  open(1);
  store(1, 21);
  follow();
  EXPECT_EQ(all().requests, 20u);
  Sums river = all({.from_s = 0, .to_s = 2 * kBegin_s, .model = "river"});
  Sums lake = all({.from_s = 0, .to_s = 2 * kBegin_s, .model = "lake"});
  Sums rest = all({.from_s = 0, .to_s = 2 * kBegin_s, .model = "__overflow__"});
  EXPECT_EQ(river.requests + lake.requests + rest.requests, 20u);
  EXPECT_GT(rest.requests, 0u);
  EXPECT_EQ(*traffic_->rows({.from_s = kBegin_s, .to_s = kBegin_s + 10, .grain = Grain::kTenSeconds}, 100),
            2u);
}

TEST_F(TrafficTest, OldSumsGo) {
  store(1, 130);
  follow();
  ASSERT_TRUE(traffic_->expire(Grain::kMinute, kBegin_s + 60));
  EXPECT_EQ(all().requests, 70u);
  EXPECT_EQ(all({.from_s = 0, .to_s = 2 * kBegin_s, .grain = Grain::kHour}).requests, 129u);
}

TEST_F(TrafficTest, PagesGiveEveryRequestOnceNewestFirst) {
  for (uint64_t s = 1; s < 100; s += 9)
    store(s, std::min<uint64_t>(s + 9, 100));
  for (size_t limit : {1, 4, 9, 10, 98, 99, 200}) {
    RequestFilter filter{.to_unix_ns = 2 * kBegin_s * kSecond, .limit = limit};
    std::vector<std::string> ids;
    for (int pages = 0; pages < 200; ++pages) {
      auto page = traffic_->requests(
          filter, [&](RequestPlace, const Event& e) { ids.emplace_back(e.text(EventText::kRequestId)); });
      ASSERT_TRUE(page);
      if (!page->next) break;
      filter.below = page->next;
    }
    ASSERT_EQ(ids.size(), 99u) << limit;
    for (size_t i = 0; i < ids.size(); ++i)
      EXPECT_EQ(ids[i], fmt::format("req-{:03}", 99 - i)) << limit;
  }
}

TEST_F(TrafficTest, FiltersAreExactAndTheScanIsBounded) {
  for (uint64_t s = 1; s < 100; s += 9) {
    tenant_ = s == 91 ? "acme" : "";
    store(s, std::min<uint64_t>(s + 9, 100));
  }
  auto ids = [&](RequestFilter filter) {
    std::vector<std::string> found;
    filter.from_unix_ns = std::max<int64_t>(filter.from_unix_ns, 1);
    if (filter.to_unix_ns == 0) filter.to_unix_ns = 2 * kBegin_s * kSecond;
    EXPECT_TRUE(traffic_->requests(
        filter, [&](RequestPlace, const Event& e) { found.emplace_back(e.text(EventText::kRequestId)); }));
    return found;
  };
  EXPECT_EQ(ids({.model = "lake", .ending = Ending::kLimited}),
            (std::vector<std::string>{"req-090", "req-060", "req-030"}));
  EXPECT_EQ(ids({.id = "req-00", .retried = true}), (std::vector<std::string>{"req-007"}));
  EXPECT_EQ(ids({.slower_than_us = 98'000}), (std::vector<std::string>{"req-099", "req-098"}));
  EXPECT_EQ(ids({.from_unix_ns = (kBegin_s + 5) * kSecond, .to_unix_ns = (kBegin_s + 7) * kSecond}),
            (std::vector<std::string>{"req-006", "req-005"}));
  EXPECT_TRUE(ids({.tenant = "somebody"}).empty());
  EXPECT_EQ(ids({.tenant = "acme", .slower_than_us = 80'000}),
            (std::vector<std::string>{"req-099", "req-098", "req-097", "req-096", "req-095", "req-094",
                                      "req-093", "req-092", "req-091"}));
  follow();
  EXPECT_EQ(all({.from_s = 0, .to_s = 2 * kBegin_s, .tenant = "acme"}).requests, 9u);
  auto page = traffic_->requests({.to_unix_ns = 2 * kBegin_s * kSecond, .status = 418, .scan_max = 20},
                                 [](RequestPlace, const Event&) { FAIL(); });
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->stopped);
  EXPECT_EQ(page->scanned, 27u);
  ASSERT_TRUE(page->next) << "where to go on";
  std::string found;
  ASSERT_TRUE(*traffic_->request(
      {3, 2}, [&](RequestPlace, const Event& e) { found = e.text(EventText::kRequestId); }));
  EXPECT_EQ(found, "req-021");
  EXPECT_FALSE(*traffic_->request({3, 99}, [](RequestPlace, const Event&) {}));
}

}  // namespace
}  // namespace weir::store::sqlite
