// What of finished requests becomes spans.
#include "weir/pipeline/record/trace_log.h"

#include <gtest/gtest.h>

#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

TEST(SlowestShare, IsTheSlowestHundredthOfTheLast) {
  SlowestShare slowest;
  int slow = 0;
  for (int i = 0; i < 128; ++i)
    slow += slowest.add(milliseconds(i));
  EXPECT_EQ(slow, 0);  // nobody knows yet
  EXPECT_TRUE(slowest.add(milliseconds(1000)));
  EXPECT_FALSE(slowest.add(milliseconds(126)));
  EXPECT_FALSE(slowest.add(milliseconds(3)));
  // All become as slow: then that is no news.
  for (int i = 0; i < 2048; ++i)
    slowest.add(milliseconds(1000));
  EXPECT_FALSE(slowest.add(milliseconds(1000)));
  EXPECT_TRUE(slowest.add(milliseconds(1001)));
}

TEST(TraceShare, IsDrawnByTheTracesName) {
  TraceContext::TraceId trace{};
  EXPECT_FALSE(in_share(trace, 0));
  EXPECT_TRUE(in_share(trace, 0.001));
  trace.fill(0xff);
  EXPECT_FALSE(in_share(trace, 0.999));
  EXPECT_TRUE(in_share(trace, 1));
  int taken = 0;
  for (int i = 0; i < 10'000; ++i)
    taken += in_share(TraceContext::of({}, "req_" + std::to_string(i)).trace, 0.1);
  EXPECT_NEAR(taken, 1000, 150);
}

TEST(TraceLog, KeepsFailuresAndWhatTheCallerKeeps) {
  testing::run([](io::Loop& loop) -> io::Task<void> {
    std::vector<telemetry::Span> shipped;
    TraceLog log(loop, {.share = 0}, [&](std::vector<telemetry::Span> spans) { shipped = std::move(spans); });
    auto finish = [&](auto prepare) {
      testing::Asked asked(loop);
      asked.exchange.id = "req_1";
      asked.exchange.timeline.received = loop.now();
      prepare(asked.exchange);
      shipped.clear();
      log.take(asked.exchange, loop.now(), loop.wall_now());
      log.flush();
      return shipped.size();
    };
    EXPECT_EQ(finish([](exchange::Exchange&) {}), 0u);
    EXPECT_EQ(finish([](exchange::Exchange& e) { e.outcome.error = make_error(ErrorCode::kUpstream, "x"); }),
              1u);
    EXPECT_TRUE(shipped.at(0).failed);
    EXPECT_EQ(shipped.at(0).failure, "upstream");
    std::vector<Header> headers{{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
    EXPECT_EQ(finish([&](exchange::Exchange& e) {
                e.headers = headers;
                e.outcome.attempts = 1;
                e.outcome.provider_model = "m";
              }),
              2u);
    EXPECT_EQ(shipped.at(1).parent, shipped.at(0).id);
    EXPECT_EQ(shipped.at(1).name, "chat m");
    co_return;
  });
}

}  // namespace
}  // namespace weir::pipeline
