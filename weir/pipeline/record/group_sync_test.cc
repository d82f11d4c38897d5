#include "weir/pipeline/record/group_sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/base/assert.h"
#include "weir/pipeline/record/testing.h"
#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

using io::Task;
using pipeline::testing::run;
using pipeline::testing::TestFile;
using ::testing::ElementsAre;

struct World {
  explicit World(io::Loop& l) : loop(l), ring(*telemetry::EventRing::open(file.bytes())) {
    seconds = registry.add_histogram("s_seconds", "S.", {}, {1});
    errors = registry.add_counter("e_total", "E.");
    telemetry::Shard& shard = registry.add_shard();
    sync.emplace(loop, file, file, ring,
                 GroupSync::Metrics{shard.series(seconds, {}), shard.series(errors, {})},
                 [this](bool bad, std::string_view text) {
                   said.push_back((bad ? "bad: " : "good: ") + std::string(text));
                 });
  }
  uint64_t append(bool awaited) {
    WEIR_ASSERT(ring.reserve());
    uint64_t number = ring.append({});
    sync->changed(awaited);
    return number;
  }
  Task<void> settle_into(uint64_t number, int& settled) {
    auto done = co_await sync->settled(number, never);
    EXPECT_TRUE(done);
    ++settled;
  }

  io::Loop& loop;
  TestFile file{64};
  telemetry::EventRing ring;
  telemetry::Registry registry;
  telemetry::Family<telemetry::Histogram> seconds;
  telemetry::Family<telemetry::Counter> errors;
  std::vector<std::string> said;
  std::optional<GroupSync> sync;
  io::Cancel never;
  io::TaskGroup tasks;
};

TEST(GroupSync, WhoWaitsIsToldWhenItsEventIsOnTheDevice) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    EXPECT_TRUE(co_await w.sync->settled(w.append(true), w.never));
    EXPECT_EQ(w.file.syncs, 1);
    EXPECT_TRUE(co_await w.sync->settled(1, w.never));  // long since
    EXPECT_EQ(w.file.syncs, 1);
    // Nobody asked for haste: the delay, then the same.
    EXPECT_TRUE(co_await w.sync->settled(w.append(false), w.never));
    EXPECT_EQ(w.file.syncs, 2);
    co_await w.sync->finish();
    EXPECT_EQ(w.file.syncs, 2);  // everything is there already
  });
}

TEST(GroupSync, ASyncPreparesTheSlotsThatComeNext) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    auto prepared = [&w](uint64_t next) {
      size_t at = telemetry::EventRing::kHeaderBytes + (next - 1) * telemetry::EventRing::kSlotBytes;
      EXPECT_EQ(w.file.prepared.data(), w.file.bytes().data() + at);
      EXPECT_EQ(w.file.prepared.size(), w.file.bytes().size() - at);  // to the ring's end, where it is short
    };
    EXPECT_TRUE(co_await w.sync->settled(w.append(true), w.never));
    prepared(2);
    EXPECT_TRUE(co_await w.sync->settled(w.append(true), w.never));
    prepared(2);  // far enough still
    co_await io::sleep(loop, seconds(1), w.never);
    EXPECT_TRUE(co_await w.sync->settled(w.append(true), w.never));
    prepared(4);  // the system may have written its pages back
    co_await w.sync->finish();
  });
}

TEST(GroupSync, WhatComesWhileOneRunsIsCoveredByTheNext) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    w.file.hold();
    uint64_t first = w.append(true);
    w.file.syncs.wait(0);  // it is under way, on its worker
    int settled = 0;
    w.tasks.start(w.settle_into(first, settled));
    for (int i = 0; i < 20; ++i)
      w.tasks.start(w.settle_into(w.append(true), settled));
    EXPECT_EQ(settled, 0);
    w.file.let_go();
    co_await w.tasks.idle();
    EXPECT_EQ(settled, 21);
    EXPECT_EQ(w.file.syncs, 2);
    co_await w.sync->finish();
  });
}

TEST(GroupSync, AFailureIsToldAndTriedAgainUntilItWorks) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    w.file.fails = true;
    auto failed = co_await w.sync->settled(w.append(true), w.never);
    WEIR_ASSERT(!failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(failed.error().reason, "record_unavailable");
    EXPECT_EQ(w.sync->trouble(), "input/output error");
    w.file.fails = false;
    EXPECT_TRUE(co_await w.sync->settled(1, w.never));  // by itself, nobody else came
    EXPECT_EQ(w.sync->trouble(), "");
    EXPECT_EQ(w.file.syncs, 2);
    EXPECT_THAT(w.said, ElementsAre("bad: events can not be synced: input/output error",
                                    "good: events are synced again"));
    co_await w.sync->finish();
  });
}

TEST(GroupSync, WhereRecordsAreOnlyCountedNobodyIsToldOfAFailure) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    w.sync->set_strict(false);
    w.file.fails = true;
    EXPECT_TRUE(co_await w.sync->settled(w.append(true), w.never));
    EXPECT_EQ(w.sync->trouble(), "input/output error");
    w.file.fails = false;
    co_await w.sync->finish();
  });
}

TEST(GroupSync, ACallerThatLeavesStopsWaiting) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    w.file.hold();
    uint64_t number = w.append(true);
    io::Cancel left;
    io::Timeout leaves(left, io::CancelReason::kClientLeft);
    loop.arm(leaves, milliseconds(1));
    auto cancelled = co_await w.sync->settled(number, left);
    WEIR_ASSERT(!cancelled);
    EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
    w.file.let_go();
    co_await w.sync->finish();
  });
}

TEST(GroupSync, FinishSyncsWhatIsLeft) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop);
    w.append(false);
    EXPECT_EQ(w.file.syncs, 0);
    co_await w.sync->finish();
    EXPECT_EQ(w.file.syncs, 1);
    EXPECT_TRUE(co_await w.sync->settled(1, w.never));
  });
}

}  // namespace
}  // namespace weir::pipeline
