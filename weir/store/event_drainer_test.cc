#include "weir/store/event_drainer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>

#include "weir/io/net/test_loop.h"
#include "weir/store/segment.h"

namespace weir::store {
namespace {

using telemetry::EventRing;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a store holds, in memory, and a script of its failures.
class MemoryStore final : public EventStore {
 public:
  struct Kept {
    std::map<std::string, uint64_t> next;
    std::vector<std::string> events;  // "ring/sequence:request id"
    size_t appends = 0;
    size_t largest = 0;       // events of one call
    int failures_left = 0;    // of append
    WallTime expired_before;  // the last call's
    uint64_t expired_bytes_max = 0;
    std::atomic<bool> expired = false;   // the two above are written
    int64_t time_min = 0, time_max = 0;  // of the last batch
  };
  explicit MemoryStore(Kept& kept) : kept_(kept) {}

  Result<uint64_t> position(const std::string& ring) override {
    return kept_.next.contains(ring) ? kept_.next[ring] : 1;
  }
  Result<void> append(std::span<const EventBatch> batches) override {
    ++kept_.appends;
    if (kept_.failures_left > 0) {
      --kept_.failures_left;
      return fail_internal(ErrorCode::kIo, "the disk is full");
    }
    size_t events = 0;
    for (const EventBatch& batch : batches) {
      uint64_t at = *position(batch.ring);
      if (batch.first != at) return fail_internal(ErrorCode::kInternal, "out of order");
      SegmentReader reader(batch.bytes);
      while (auto event = reader.next()) {
        auto read = telemetry::decode(event->bytes);
        if (!read) return fail_internal(ErrorCode::kInternal, "no event");
        kept_.events.push_back(fmt::format("{}/{}:{}", batch.ring, event->sequence,
                                           read->text(telemetry::EventText::kRequestId)));
        ++events;
      }
      kept_.next[batch.ring] = batch.next;
      kept_.time_min = batch.time_min_unix_ns;
      kept_.time_max = batch.time_max_unix_ns;
    }
    kept_.largest = std::max(kept_.largest, events);
    return {};
  }
  Result<uint64_t> fold_ledger(WallTime) override { return 0; }
  Result<uint64_t> expire(WallTime before, uint64_t bytes_max) override {
    kept_.expired_before = before;
    kept_.expired_bytes_max = bytes_max;
    kept_.expired = true;
    return 0;
  }

 private:
  Kept& kept_;
};

// A ring in memory that is there before and after the drainer.
struct TestRing {
  explicit TestRing(std::string ring_name, size_t slots = 64)
      : name(std::move(ring_name)), memory((EventRing::kHeaderBytes + slots * EventRing::kSlotBytes) / 8) {
    ring.emplace(*EventRing::open(std::as_writable_bytes(std::span(memory))));
  }
  void add(int count, int64_t received_unix_ns = 1'000) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(ring->reserve());
      std::string id = fmt::format("req-{}", ++made);
      telemetry::Event event;
      event.received_unix_ns = received_unix_ns + i;
      event.text(telemetry::EventText::kRequestId) = id;
      ring->append(event);
    }
  }
  std::string name;
  std::vector<uint64_t> memory;
  std::optional<EventRing> ring;
  int made = 0;
};

class EventDrainerTest : public ::testing::Test {
 public:  // to the coroutines of the tests
  void make(std::vector<TestRing*> rings, EventDrainer::Options options = {},
            std::vector<EventDrainer::FormerRing> former = {}) {
    std::vector<EventDrainer::Ring> given;
    for (TestRing* ring : rings)
      given.push_back({ring->name, &*ring->ring});
    metrics_ = register_drainer_metrics(registry_);
    options.retry_min = milliseconds(1);
    drainer_.emplace(
        host_.loop(), std::make_unique<MemoryStore>(kept_), std::move(given), std::move(former), registry_,
        metrics_,
        [this](bool bad, std::string_view sentence) {
          said_.push_back((bad ? "bad: " : "good: ") + std::string(sentence));
        },
        options);
  }
  static io::Task<void> start_and_finish(EventDrainer& drainer, Duration bound) {
    EXPECT_TRUE(drainer.start());
    co_await drainer.finish(bound);
  }
  /// Runs the drainer until everything is stored.
  void drain(Duration bound = seconds(10)) { host_.run(start_and_finish(*drainer_, bound)); }

  double metric(std::string_view name) {
    for (const telemetry::SeriesView& series : registry_.collect())
      if (series.family->name == name) return series.value();
    return -1;
  }

  io::net::TestLoop host_;
  MemoryStore::Kept kept_;
  telemetry::Registry registry_;
  DrainerMetrics metrics_;
  std::vector<std::string> said_;
  std::optional<EventDrainer> drainer_;
};

TEST_F(EventDrainerTest, MovesEveryRingIntoTheStoreAndFreesIt) {
  TestRing a("0"), b("1"), empty("2");
  a.add(3, 5'000);
  b.add(1, 7'000);
  make({&a, &b, &empty});
  drain();
  EXPECT_THAT(kept_.events, ElementsAre("0/1:req-1", "0/2:req-2", "0/3:req-3", "1/1:req-1"));
  EXPECT_EQ(a.ring->drained(), 4u);
  EXPECT_EQ(b.ring->drained(), 2u);
  EXPECT_EQ(a.ring->free_places(), 64u);
  EXPECT_EQ(kept_.time_min, 7'000);
  EXPECT_EQ(metric("weir_events_stored_total"), 4);
  EXPECT_EQ(metric("weir_events_waiting"), 0);
  EXPECT_EQ(metric("weir_event_store_errors_total"), 0);
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(EventDrainerTest, ABatchKnowsTheTimesOfItsEvents) {
  TestRing a("0");
  a.add(3, 5'000);
  make({&a});
  drain();
  EXPECT_EQ(kept_.time_min, 5'000);
  EXPECT_EQ(kept_.time_max, 5'002);
}

TEST_F(EventDrainerTest, GoesOnAtTheStoresPosition) {
  // The former process committed 1 to 5 and died before it told the ring.
  TestRing a("0");
  a.add(7);
  kept_.next["0"] = 6;
  make({&a});
  drain();
  EXPECT_THAT(kept_.events, ElementsAre("0/6:req-6", "0/7:req-7"));
  EXPECT_EQ(a.ring->drained(), 8u);
}

// Budgets of a new process begin with what the store and the rings hold together.
TEST_F(EventDrainerTest, TellsWhatWaitsInTheRingsBeforeItStarts) {
  TestRing a("0"), b("1");
  a.add(7);
  b.add(2);
  kept_.next["0"] = 6;
  make({&a, &b});
  ASSERT_TRUE(drainer_->prepare());
  std::vector<std::string> waiting;
  drainer_->read_waiting([&](const telemetry::Event& event) {
    waiting.emplace_back(event.text(telemetry::EventText::kRequestId));
  });
  EXPECT_THAT(waiting, ElementsAre("req-6", "req-7", "req-1", "req-2"));
  EXPECT_THAT(kept_.events, IsEmpty());
  drain();
  EXPECT_EQ(kept_.events.size(), 4u);
}

TEST_F(EventDrainerTest, ARingThatLostItsFileGoesOnWhereTheStoreIs) {
  TestRing a("0");
  kept_.next["0"] = 500;
  make({&a});
  auto body = [](EventDrainerTest& t, TestRing& ring) -> io::Task<void> {
    EXPECT_TRUE(t.drainer_->start());
    ring.add(2);
    co_await t.drainer_->finish(seconds(10));
  };
  host_.run(body(*this, a));
  EXPECT_THAT(kept_.events, ElementsAre("0/500:req-1", "0/501:req-2"));
}

TEST_F(EventDrainerTest, AStoreThatLostItsFileGoesOnWhereTheRingIs) {
  TestRing a("0");
  a.add(5);
  a.ring->set_drained(4);  // 1 to 3 were stored in a file that is gone
  make({&a});
  drain();
  EXPECT_THAT(kept_.events, ElementsAre("0/4:req-4", "0/5:req-5"));
  EXPECT_THAT(said_, ElementsAre(testing::AllOf(HasSubstr("bad: "), HasSubstr("ring 0 up to 1"))));
}

TEST_F(EventDrainerTest, TriesAFailingStoreAgain) {
  TestRing a("0");
  a.add(3);
  kept_.failures_left = 3;
  make({&a});
  drain();
  EXPECT_THAT(kept_.events, ElementsAre("0/1:req-1", "0/2:req-2", "0/3:req-3"));
  EXPECT_EQ(metric("weir_event_store_errors_total"), 3);
  EXPECT_THAT(said_,
              ElementsAre(HasSubstr("bad: events are not stored, they wait in their rings: the disk is full"),
                          HasSubstr("good: ")));
  EXPECT_EQ(drainer_->trouble(), "");
}

TEST_F(EventDrainerTest, WhatIsNotStoredStaysInItsRing) {
  TestRing a("0");
  a.add(3);
  kept_.failures_left = 1'000'000;
  make({&a});
  drain(milliseconds(30));
  EXPECT_THAT(kept_.events, IsEmpty());
  EXPECT_GE(kept_.appends, 1u);
  EXPECT_EQ(a.ring->drained(), 1u);
  EXPECT_EQ(drainer_->waiting(), 3u);
  EXPECT_EQ(drainer_->trouble(), "the disk is full");
  EXPECT_EQ(metric("weir_events_waiting"), 3);
}

TEST_F(EventDrainerTest, OneTransactionIsBoundedAndNoRingIsForgotten) {
  TestRing a("0"), b("1"), c("2");
  for (TestRing* ring : {&a, &b, &c})
    ring->add(50);
  make({&a, &b, &c}, {.events_max = 16});
  drain();
  EXPECT_EQ(kept_.events.size(), 150u);
  EXPECT_EQ(std::set<std::string>(kept_.events.begin(), kept_.events.end()).size(), 150u);
  EXPECT_LE(kept_.largest, 16u);
  EXPECT_EQ(kept_.next["2"], 51u);
}

TEST_F(EventDrainerTest, DamagedSlotsAreCountedAndPassed) {
  TestRing a("0");
  a.add(3);
  auto* second =
      reinterpret_cast<unsigned char*>(a.memory.data()) + EventRing::kHeaderBytes + EventRing::kSlotBytes;
  for (int i = 32; i < 64; ++i)
    second[i] ^= 0xff;
  make({&a});
  drain();
  EXPECT_THAT(kept_.events, ElementsAre("0/1:req-1", "0/3:req-3"));
  EXPECT_EQ(kept_.next["0"], 4u);
  EXPECT_EQ(metric("weir_events_damaged_total"), 1);
}

TEST_F(EventDrainerTest, AFormerRingIsStoredAndRemoved) {
  io::Disk& disk = host_.loop().disk();
  std::string folder = disk.make_temporary_directory("weir-drainer-test").value();
  std::vector<EventDrainer::FormerRing> former;
  for (int i = 4; i < 6; ++i) {
    std::string path = fmt::format("{}/ring-{}", folder, i);
    auto file = disk.map_file(path, EventRing::kHeaderBytes + 8 * EventRing::kSlotBytes).value();
    EventRing ring = *EventRing::open(file->bytes());
    if (i == 4) {
      telemetry::Event event;
      event.text(telemetry::EventText::kRequestId) = "old";
      ASSERT_TRUE(ring.reserve());
      ring.append(event);
    }
    former.push_back({std::to_string(i), {path}, std::move(file), std::move(ring)});
  }
  TestRing a("0");
  a.add(1);
  make({&a}, {}, std::move(former));
  drain();
  EXPECT_THAT(kept_.events, testing::UnorderedElementsAre("0/1:req-1", "4/1:old"));
  EXPECT_THAT(disk.list(folder).value(), IsEmpty());
  drainer_.reset();
  disk.remove(folder);
}

TEST_F(EventDrainerTest, AsksForWhatIsTooOld) {
  TestRing a("0");
  make({&a}, {.retention = {.age_max = std::chrono::hours(1), .bytes_max = 1234}});
  auto body = [](EventDrainerTest& t) -> io::Task<void> {
    EXPECT_TRUE(t.drainer_->start());
    io::Cancel never;
    while (!t.kept_.expired)
      co_await io::sleep(t.host_.loop(), milliseconds(1), never);
    co_await t.drainer_->finish(seconds(10));
  };
  host_.run(body(*this));
  EXPECT_EQ(kept_.expired_bytes_max, 1234u);
  WallTime now = host_.loop().wall_now();
  EXPECT_LT(kept_.expired_before.unix_ns, now.unix_ns - 3'599'000'000'000);
  EXPECT_GT(kept_.expired_before.unix_ns, now.unix_ns - 3'900'000'000'000);
}

TEST_F(EventDrainerTest, AStoreThatCannotSayItsPositionsStopsTheStart) {
  class Broken final : public EventStore {
    Result<uint64_t> position(const std::string&) override {
      return fail_internal(ErrorCode::kIo, "disk image is malformed");
    }
    Result<void> append(std::span<const EventBatch>) override { return {}; }
    Result<uint64_t> expire(WallTime, uint64_t) override { return 0; }
    Result<uint64_t> fold_ledger(WallTime) override { return 0; }
  };
  TestRing a("0");
  EventDrainer drainer(host_.loop(), std::make_unique<Broken>(), {{"0", &*a.ring}}, {}, registry_,
                       register_drainer_metrics(registry_), [](bool, std::string_view) {}, {});
  auto started = drainer.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "disk image is malformed");
}

}  // namespace
}  // namespace weir::store
