#include "weir/pipeline/record/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "weir/base/assert.h"
#include "weir/pipeline/record/event_of.h"
#include "weir/pipeline/record/testing.h"
#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

using exchange::RecordPlace;
using io::Task;
using pipeline::testing::Asked;
using pipeline::testing::run;
using pipeline::testing::TestFile;
using telemetry::Event;
using telemetry::EventClass;
using ::testing::ElementsAre;

constexpr Event kUsageEvent{.event_class = EventClass::kUsage};
constexpr Event kTelemetryEvent{.event_class = EventClass::kTelemetry};

struct World {
  World(io::Loop& loop, size_t slots, EventSettings s) {
    auto saved = std::make_unique<TestFile>(slots);
    file = saved.get();
    auto ring = make_ring(std::make_unique<TestFile>(slots), std::move(saved));
    WEIR_ASSERT(ring);
    log = std::make_unique<EventLog>(loop, *std::move(ring), s, registry, metrics,
                                     [](bool, std::string_view) {});
  }
  // A whole request.
  RecordPlace request(const Event& event) {
    RecordPlace place;
    EXPECT_TRUE(log->enter(place));
    log->leave(place, event);
    EXPECT_FALSE(place.taken);
    return place;
  }
  double count(std::string_view family, std::string_view label) {
    double sum = 0;
    for (const auto& series : registry.collect())
      if (series.family->name == family && (series.labels.empty() || series.labels[0] == label))
        sum += series.value();
    return sum;
  }

  telemetry::Registry registry;
  EventMetrics metrics = register_event_metrics(registry);
  TestFile* file = nullptr;
  std::unique_ptr<EventLog> log;
};

TEST(EventLog, ARequestTakesOnePlaceAndWritesOneEvent) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop, 8, {});
    RecordPlace place;
    EXPECT_TRUE(w.log->enter(place));
    EXPECT_TRUE(place.taken);
    EXPECT_EQ(w.log->ring().free_places(), 7u);
    EXPECT_EQ(w.log->ring().next(), 1u);
    w.log->leave(place, kUsageEvent);
    EXPECT_EQ(w.log->ring().free_places(), 7u);
    EXPECT_EQ(w.log->ring().next(), 2u);
    EXPECT_EQ(place.receipt, nullptr);  // acknowledged by the ring
    w.request(kTelemetryEvent);
    EXPECT_EQ(w.log->ring().next(), 3u);
    EXPECT_EQ(w.count("weir_events_total", "usage"), 1);
    EXPECT_EQ(w.count("weir_events_total", "telemetry"), 1);
    EXPECT_EQ(w.count("weir_event_ring_places", ""), 8);
    co_await w.log->finish();
  });
}

TEST(EventLog, AFullRingRefusesNewRequestsOnly) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop, 4, {});
    std::vector<RecordPlace> places(4);
    for (RecordPlace& place : places)
      EXPECT_TRUE(w.log->enter(place));
    EXPECT_THAT(w.log->not_ready(), ElementsAre("the event ring is full"));
    RecordPlace late;
    auto refused = w.log->enter(late);
    WEIR_ASSERT(!refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(refused.error().reason, "record_unavailable");
    EXPECT_GT(refused.error().retry_after_s, 0);
    w.log->leave(late, kTelemetryEvent);  // its end is counted
    EXPECT_EQ(w.count("weir_events_dropped_total", "telemetry"), 1);
    for (RecordPlace& place : places)
      w.log->leave(place, kUsageEvent);  // those that were let in are all written
    EXPECT_EQ(w.log->ring().next(), 5u);
    EXPECT_FALSE(w.log->enter(late));
    w.log->ring().set_drained(5);
    EXPECT_TRUE(w.log->not_ready().empty());
    w.request(kUsageEvent);
    co_await w.log->finish();
  });
}

TEST(EventLog, CountedInsteadOfRefused) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop, 4, {.when_full = WhenFull::kCount});
    for (int i = 0; i < 6; ++i)
      w.request(kUsageEvent);
    EXPECT_EQ(w.log->ring().next(), 5u);
    EXPECT_EQ(w.count("weir_events_total", "usage"), 4);
    EXPECT_EQ(w.count("weir_events_dropped_total", "usage"), 2);
    EXPECT_TRUE(w.log->not_ready().empty());
    EXPECT_THAT(w.log->warnings(), ElementsAre("the event ring is full: requests pass without a record"));
    w.log->ring().set_drained(5);
    EXPECT_TRUE(w.log->warnings().empty());
    co_await w.log->finish();
  });
}

TEST(EventLog, StrangersCanNotFillTheRing) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop, 16, {});
    for (int i = 0; i < 50; ++i)
      w.request(kTelemetryEvent);
    EXPECT_EQ(w.log->ring().next(), 13u);  // the place of the one that writes counts as taken
    EXPECT_EQ(w.count("weir_events_dropped_total", "telemetry"), 38);
    for (int i = 0; i < 4; ++i)
      w.request(kUsageEvent);
    EXPECT_EQ(w.log->ring().next(), 17u);
    EXPECT_EQ(w.count("weir_events_dropped_total", "usage"), 0);
    co_await w.log->finish();
  });
}

TEST(EventLog, AcknowledgedByTheDiskUsageWaitsForIt) {
  run([](io::Loop& loop) -> Task<void> {
    World w(loop, 8, {.acknowledge = Acknowledge::kDisk});
    io::Cancel never;
    EXPECT_EQ(w.request(kTelemetryEvent).receipt, nullptr);
    RecordPlace place = w.request(kUsageEvent);
    WEIR_ASSERT(place.receipt);
    EXPECT_TRUE(co_await place.receipt->settled(place.number, never));
    EXPECT_EQ(w.file->syncs, 2);  // the first was the new ring's header

    w.file->fails = true;
    place = w.request(kUsageEvent);
    WEIR_ASSERT(place.receipt);
    EXPECT_FALSE(co_await place.receipt->settled(place.number, never));
    EXPECT_THAT(w.log->not_ready(), ElementsAre("events can not be synced; the log says why"));
    RecordPlace late;
    EXPECT_FALSE(w.log->enter(late));
    EXPECT_FALSE(late.taken);
    w.log->leave(late, kTelemetryEvent);

    // Told by a reload to count: requests pass and wait for nothing.
    w.log->set_settings({.acknowledge = Acknowledge::kDisk, .when_full = WhenFull::kCount});
    EXPECT_EQ(w.request(kUsageEvent).receipt, nullptr);
    w.file->fails = false;
    co_await w.log->finish();
    EXPECT_TRUE(w.log->not_ready().empty());
  });
}

TEST(RingFile, RefusesFilesOfSomethingElse) {
  for (bool of_memory : {true, false}) {
    auto memory = std::make_unique<TestFile>(4), saved = std::make_unique<TestFile>(4);
    std::memset((of_memory ? memory : saved)->bytes().data(), 'x', 100);
    EXPECT_FALSE(make_ring(std::move(memory), std::move(saved)));
  }
  EXPECT_FALSE(make_ring(std::make_unique<TestFile>(4), std::make_unique<TestFile>(5)));
}

// ------------------------------------------------------------------------------ what is written

TEST(EventOf, HoldsWhatHappened) {
  run([](io::Loop& loop) -> Task<void> {
    Asked asked(loop);
    exchange::Exchange& x = asked.exchange;
    x.id = "req_1";
    x.peer = "10.0.0.9";
    auto identity = std::make_shared<exchange::Identity>();
    identity->name = "team-a";
    identity->tenant = "tn";
    identity->team = "te";
    identity->user = "us";
    identity->key = "ke";
    x.principal.identity = std::move(identity);
    x.tags = {"planner", "run-1", "invoices"};
    x.request.model = "fast";
    x.request.body_bytes = 321;
    x.route.model = "gpt";
    x.timeline = {.received = {1'000'000},
                  .authenticated = {1'001'000},
                  .parsed = {1'012'000},
                  .connected = {1'020'999},
                  .first_byte = {2'000'000},
                  .first_token = {3'000'000}};
    x.usage = {.input_tokens = 5, .output_tokens = 0};
    x.outcome.status = 200;
    x.outcome.attempts = 2;
    x.outcome.provider = "p";
    x.outcome.provider_model = "pm";
    x.outcome.begun_by = "q qm";
    x.outcome.endpoint = "host:1";
    x.outcome.events = 9;
    x.outcome.answer_bytes = 100;
    x.outcome.streamed = true;
    Event e = event_of(x, {5'000'000}, {1'764'000'000'004'000'000});
    EXPECT_EQ(e.event_class, EventClass::kUsage);
    EXPECT_EQ(e.received_unix_ns, 1'764'000'000'000'000'000);
    EXPECT_EQ(e.parsed_us, 12);
    EXPECT_EQ(e.connected_us, 20);
    EXPECT_EQ(e.first_byte_us, 1000);
    EXPECT_EQ(e.first_token_us, 2000);
    EXPECT_EQ(e.ended_us, 4000);
    EXPECT_EQ(e.input_tokens, 5);
    EXPECT_EQ(e.output_tokens, 0);
    EXPECT_EQ(e.cached_input_tokens, -1);
    EXPECT_EQ(e.request_bytes, 321);
    EXPECT_EQ(e.answer_bytes, 100);
    EXPECT_EQ(e.stream_events, 9);
    EXPECT_EQ(e.status, 200);
    EXPECT_EQ(e.attempts, 2);
    EXPECT_TRUE(e.streamed);
    EXPECT_THAT(e.texts,
                ElementsAre("req_1", "team-a", "fast", "gpt", "p", "pm", "host:1", "chat", "ok", "",
                            "10.0.0.9", "tn", "te", "us", "ke", "planner", "run-1", "invoices", "q qm"));

    x.outcome.error = make_error(ErrorCode::kUpstream, "m", {}, "stream_cut");
    e = event_of(x, {5'000'000}, {0});
    EXPECT_EQ(e.text(telemetry::EventText::kOutcome), "upstream");
    EXPECT_EQ(e.text(telemetry::EventText::kReason), "stream_cut");

    x.outcome.cancelled = io::CancelReason::kClientLeft;
    e = event_of(x, {5'000'000}, {0});
    EXPECT_EQ(e.status, 499);
    EXPECT_EQ(e.text(telemetry::EventText::kOutcome), "client_left");

    Asked stranger(loop);
    stranger.exchange.timeline.received = {1};
    e = event_of(stranger.exchange, {2'001}, {5'000});
    EXPECT_EQ(e.event_class, EventClass::kTelemetry);
    EXPECT_EQ(e.parsed_us, -1);
    EXPECT_EQ(e.ended_us, 2);
    EXPECT_EQ(e.input_tokens, -1);
    co_return;
  });
}

}  // namespace
}  // namespace weir::pipeline
