// The order of things: stages down and up, refusals, answers from a stage, and what taps see.
#include "weir/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/assert.h"
#include "weir/pipeline/record/record_sink.h"
#include "weir/pipeline/record/record_stage.h"
#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

using exchange::AnswerStream;
using exchange::Exchange;
using exchange::Stage;
using exchange::StreamEvent;
using io::Task;
using pipeline::testing::Asked;
using pipeline::testing::run;
using ::testing::ElementsAre;

using Steps = std::vector<std::string>;

class TestStage final : public Stage, exchange::Tap {
 public:
  enum class Does { kOn, kAnswers, kRefuses };
  TestStage(std::string name, Steps& steps, Does does = Does::kOn)
      : name_(name), steps_(steps), does_(does) {}

  std::string_view name() const override { return name_; }
  Task<Result<Flow>> before(Exchange& exchange) override {
    steps_.push_back("before " + name_);
    if (does_ == Does::kRefuses) co_return fail(ErrorCode::kPermissionDenied, "no");
    if (does_ != Does::kAnswers) co_return Flow::kOn;
    exchange.answer = exchange::Answer{.status = 203, .body = "cached"};
    co_return Flow::kAnswered;
  }
  void after(Exchange& exchange) override {
    steps_.push_back("after " + name_ + " " + std::to_string(exchange.outcome.status));
  }
  exchange::Tap* tap() override { return on_event_ ? this : nullptr; }
  void on_event(Exchange& exchange, StreamEvent& event) override { on_event_(exchange, event); }

  std::function<void(Exchange&, StreamEvent&)> on_event_;

 private:
  std::string name_;
  Steps& steps_;
  Does does_;
};

// Answers as the test says.
struct TestClient final : exchange::ModelClient {
  explicit TestClient(Steps& s) : steps(s) {}
  Task<Result<void>> call(Exchange& exchange, AnswerStream& stream) override {
    steps.push_back("call");
    if (fails) co_return fail(ErrorCode::kUpstream, "broken");
    if (events.empty()) {
      exchange.answer = exchange::Answer{.status = 200, .body = "hello"};
      co_return Result<void>{};
    }
    stream.begin(200, "text/event-stream", {});
    exchange.outcome.streamed = true;
    exchange.outcome.status = 200;
    for (const std::string& e : events)
      stream.event({e, std::string_view(e).substr(0, e.size() - 1)});
    EXPECT_TRUE(co_await stream.flush());
    if (fails_late) co_return fail(ErrorCode::kUpstream, "cut");
    co_return Result<void>{};
  }
  Steps& steps;
  bool fails = false;
  bool fails_late = false;
  std::vector<std::string> events;
};

struct TestStream final : AnswerStream {
  void begin(int s, std::string_view, const OwnedHeaders&) override { status = s; }
  void event(StreamEvent event) override { seen.push_back(std::string(event.raw)); }
  Task<bool> flush() override {
    ++flushes;
    co_return true;
  }
  int status = 0;
  int flushes = 0;
  Steps seen;
};

using Does = TestStage::Does;

std::vector<std::unique_ptr<Stage>> stages(Steps& steps, std::vector<Does> what) {
  std::vector<std::unique_ptr<Stage>> all;
  for (Does does : what)
    all.push_back(
        std::make_unique<TestStage>(std::string(1, static_cast<char>('a' + all.size())), steps, does));
  return all;
}

TEST(Pipeline, RunsDownInOrderAndUpInReverse) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    Pipeline pipeline(stages(steps, {Does::kOn, Does::kOn}), client);
    Asked asked(loop);
    TestStream stream;
    EXPECT_TRUE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_THAT(steps, ElementsAre("before a", "before b", "call", "after b 200", "after a 200"));
    EXPECT_EQ(asked.exchange.outcome.answer_bytes, 5u);
    EXPECT_FALSE(asked.exchange.outcome.error);
  });
}

TEST(Pipeline, ARefusalIsSeenByThoseEnteredOnly) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    Pipeline pipeline(stages(steps, {Does::kOn, Does::kRefuses, Does::kOn}), client);
    Asked asked(loop);
    TestStream stream;
    auto outcome = co_await pipeline.handle(asked.exchange, stream);
    EXPECT_TRUE(!outcome && outcome.error().code == ErrorCode::kPermissionDenied);
    EXPECT_THAT(steps, ElementsAre("before a", "before b", "after b 403", "after a 403"));
    EXPECT_TRUE(asked.exchange.outcome.error);
  });
}

TEST(Pipeline, AStageCanAnswer) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    Pipeline pipeline(stages(steps, {Does::kOn, Does::kAnswers, Does::kOn}), client);
    Asked asked(loop);
    TestStream stream;
    EXPECT_TRUE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_THAT(steps, ElementsAre("before a", "before b", "after b 203", "after a 203"));
    EXPECT_EQ(asked.exchange.answer->body, "cached");
  });
}

TEST(Pipeline, AFailedCallIsSeenByAll) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    client.fails = true;
    Pipeline pipeline(stages(steps, {Does::kOn}), client);
    Asked asked(loop);
    TestStream stream;
    EXPECT_FALSE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_THAT(steps, ElementsAre("before a", "call", "after a 502"));
  });
}

TEST(Pipeline, AStreamThatFailsKeepsTheStatusThatWent) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    client.events = {"1\n"};
    client.fails_late = true;
    Pipeline pipeline(stages(steps, {Does::kOn}), client);
    Asked asked(loop);
    TestStream stream;
    EXPECT_FALSE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_EQ(asked.exchange.outcome.status, 200);
    EXPECT_TRUE(asked.exchange.outcome.error && asked.exchange.outcome.error->code == ErrorCode::kUpstream);
  });
}

TEST(Pipeline, TheReasonOfACancelIsNoted) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps;
    TestClient client(steps);
    Pipeline pipeline(stages(steps, {}), client);
    Asked asked(loop);
    TestStream stream;
    asked.cancel.request(io::CancelReason::kClientLeft);
    EXPECT_TRUE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_EQ(asked.exchange.outcome.cancelled, io::CancelReason::kClientLeft);
  });
}

TEST(Pipeline, TapsSeeDropAndReplaceEventsInOrder) {
  run([](io::Loop& loop) -> Task<void> {
    Steps steps, first_saw, second_saw;
    std::string replaced;
    TestClient client(steps);
    client.events = {"1\n", "drop\n", "2\n"};
    auto all = stages(steps, {Does::kOn, Does::kOn, Does::kOn});
    static_cast<TestStage&>(*all[0]).on_event_ = [&](Exchange&, StreamEvent& event) {
      first_saw.emplace_back(event.data);
      if (event.data == "drop") event.raw = {};
    };
    static_cast<TestStage&>(*all[2]).on_event_ = [&](Exchange&, StreamEvent& event) {
      second_saw.emplace_back(event.raw);
      if (event.raw.empty()) return;
      replaced = "[" + std::string(event.data) + "]";
      event.raw = replaced;
    };
    Pipeline pipeline(std::move(all), client);
    Asked asked(loop);
    TestStream stream;
    EXPECT_TRUE(co_await pipeline.handle(asked.exchange, stream));
    EXPECT_THAT(first_saw, ElementsAre("1", "drop", "2"));
    EXPECT_THAT(second_saw, ElementsAre("1\n", "", "2\n"));
    EXPECT_THAT(stream.seen, ElementsAre("[1]", "[2]"));
    EXPECT_EQ(stream.status, 200);
    EXPECT_EQ(stream.flushes, 1);
  });
}

// ------------------------------------------------------------------------------ the real order

struct TestSink final : RecordSink {
  Result<void> begin(Exchange&) override {
    ++begun;
    return result;
  }
  void record(Exchange& exchange) override {
    statuses.push_back(exchange.outcome.status);
    exchange.record = {.receipt = receipt, .number = 7};
  }
  int begun = 0;
  Result<void> result;
  exchange::Receipt* receipt = nullptr;
  std::vector<int> statuses;
};

TEST(MakeStages, RecordsAllAndReadsNoBodyOfAStranger) {
  run([](io::Loop& loop) -> Task<void> {
    Settings settings;
    TestSink sink;
    Steps steps, names;
    accounts::Authenticator authenticator(loop);
    auto all = make_stages(settings, authenticator, sink, 1);
    for (auto& stage : all)
      names.emplace_back(stage->name());
    EXPECT_THAT(names, ElementsAre("record", "auth", "admit", "receive", "route", "quota", "price"));
    TestClient client(steps);
    Pipeline pipeline(std::move(all), client);
    TestStream stream;

    Asked stranger(loop);
    EXPECT_FALSE(co_await pipeline.handle(stranger.exchange, stream));
    EXPECT_EQ(stranger.source.received, 0);

    settings.auth.anonymous = Anonymous::kAlways;
    authenticator.set_settings(settings.auth);
    Asked bad_body(loop);
    bad_body.source.result = fail(ErrorCode::kInvalidRequest, "bad");
    EXPECT_FALSE(co_await pipeline.handle(bad_body.exchange, stream));
    EXPECT_EQ(bad_body.source.received, 1);
    EXPECT_EQ(bad_body.exchange.timeline.parsed.ns, 0);

    Asked no_model(loop);
    no_model.exchange.request.model = "unknown";
    EXPECT_FALSE(co_await pipeline.handle(no_model.exchange, stream));
    EXPECT_GT(no_model.exchange.timeline.parsed.ns, 0);
    EXPECT_EQ(sink.begun, 3);
    EXPECT_THAT(sink.statuses, ElementsAre(401, 400, 404));
    EXPECT_TRUE(steps.empty());
  });
}

TEST(MakeStages, WhatCanNotBeRecordedIsRefusedBeforeItIsRead) {
  run([](io::Loop& loop) -> Task<void> {
    Settings settings;
    settings.auth.anonymous = Anonymous::kAlways;
    TestSink sink;
    sink.result = fail(ErrorCode::kUnavailable, "no room", {}, "record_unavailable");
    Steps steps;
    TestClient client(steps);
    accounts::Authenticator authenticator(loop);
    authenticator.set_settings(settings.auth);
    Pipeline pipeline(make_stages(settings, authenticator, sink, 1), client);
    TestStream stream;
    Asked asked(loop);
    auto outcome = co_await pipeline.handle(asked.exchange, stream);
    WEIR_ASSERT(!outcome);
    EXPECT_EQ(outcome.error().reason, "record_unavailable");
    EXPECT_EQ(asked.source.received, 0);
    EXPECT_TRUE(steps.empty());
    EXPECT_THAT(sink.statuses, ElementsAre(503));  // it is counted all the same
  });
}

struct TestReceipt final : exchange::Receipt {
  explicit TestReceipt(TestSink& s) : sink(s) {}
  Task<Result<void>> settled(uint64_t number, io::Cancel&) override {
    numbers.push_back(number);
    recorded_before = sink.statuses.size();
    co_return result;
  }
  TestSink& sink;
  std::vector<uint64_t> numbers;
  size_t recorded_before = 0;
  Result<void> result;
};

TEST(Pipeline, AnAnswerEndsWhenItsRecordIsSettled) {
  run([](io::Loop& loop) -> Task<void> {
    TestSink sink;
    TestReceipt receipt(sink);
    sink.receipt = &receipt;
    Steps steps;
    TestClient client(steps);
    std::vector<std::unique_ptr<Stage>> stages;
    stages.push_back(std::make_unique<RecordStage>(sink));
    Pipeline pipeline(std::move(stages), client);
    TestStream stream;

    Asked good(loop);
    EXPECT_TRUE(co_await pipeline.handle(good.exchange, stream));
    EXPECT_THAT(receipt.numbers, ElementsAre(7));
    EXPECT_EQ(receipt.recorded_before, 1u);

    // The answer may not end as a good one when its record is not kept.
    receipt.result = fail(ErrorCode::kUnavailable, "no disk", {}, "record_unavailable");
    Asked unsettled(loop);
    auto outcome = co_await pipeline.handle(unsettled.exchange, stream);
    WEIR_ASSERT(!outcome);
    EXPECT_EQ(outcome.error().reason, "record_unavailable");

    client.fails = true;  // what went wrong first is what the caller hears
    Asked broken(loop);
    outcome = co_await pipeline.handle(broken.exchange, stream);
    WEIR_ASSERT(!outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::kUpstream);
    EXPECT_THAT(receipt.numbers, ElementsAre(7, 7, 7));
  });
}

}  // namespace
}  // namespace weir::pipeline
