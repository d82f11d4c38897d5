#include "weir/pipeline/record/log_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "weir/pipeline/record/event_of.h"
#include "weir/pipeline/testing.h"

namespace weir::pipeline {
namespace {

// Makes lines when it is asked for them.
class LateLog final : public io::LogWriter {
 public:
  void append(std::string_view line) override { entries_.push_back({nullptr, {}, std::string(line)}); }
  void append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) override {
    std::vector<std::byte> whole;
    for (std::span<const std::byte> piece : kept)
      whole.insert(whole.end(), piece.begin(), piece.end());
    entries_.push_back({make, std::move(whole), {}});
  }
  uint64_t dropped() const override { return 0; }
  std::string last_error() const override { return {}; }
  void reopen() override {}

  bool all_later() const {
    return std::ranges::all_of(entries_, [](const Entry& e) { return e.make != nullptr; });
  }
  std::string text() const {
    std::string text;
    for (const Entry& e : entries_) {
      if (e.make)
        e.make(e.kept, text);
      else
        text += e.line;
    }
    return text;
  }

 private:
  struct Entry {
    MakeLine make;
    std::vector<std::byte> kept;
    std::string line;
  };
  std::vector<Entry> entries_;
};

constexpr WallTime kEnd{1795335330123999999};  // 2026-11-22T08:15:30.123Z, and less than a millisecond

struct Ended : testing::Asked {
  explicit Ended(io::Loop& loop) : Asked(loop) {
    auto& x = exchange;
    x.id = "req_0123456789abcdef01234567";
    x.peer = "127.0.0.1:50000";
    x.principal = weir::exchange::Principal::with_key("team-a");
    x.request.model = "fast";
    x.request.body_bytes = 1024;
    x.route.model = "gpt-4o-mini";
    x.timeline = {.received = {5'000'000}, .authenticated = {5'010'000}, .parsed = {5'020'000}};
    x.outcome.status = 200;
  }
  void answered() {
    auto& x = exchange;
    x.timeline.first_byte = {405'000'000};
    x.timeline.first_token = {415'000'000};
    x.usage = {.input_tokens = 215, .output_tokens = 128, .cached_input_tokens = 64};
    x.outcome.attempts = 1;
    x.outcome.provider = "openai";
    x.outcome.provider_model = "gpt-4o-mini-2024-07-18";
  }
  void fails(ErrorCode code, std::string message, std::string reason) {
    Error error = make_error(code, "", {}, std::move(reason));
    error.message = std::move(message);
    exchange.outcome.error = std::move(error);
  }
  void log(io::LogWriter& log) {
    telemetry::Event event = event_of(exchange, MonoTime{905'000'000}, kEnd);
    std::array<std::byte, telemetry::kEventBytesMax> room;
    log_request(log, exchange, event, std::span(room).first(telemetry::encode(event, room)), kEnd);
  }
};

class LogLineTest : public ::testing::Test {
 protected:
  // The line, made when the exchange and everything in it are gone.
  template <class Change>
  std::string line(Change change) {
    {
      Ended ended(host_.loop());
      change(ended);
      ended.log(log_);
    }
    return log_.text();
  }
  io::net::TestLoop host_;
  LateLog log_;
};

TEST_F(LogLineTest, AnAnsweredRequest) {
  EXPECT_EQ(line([](Ended& e) { e.answered(); }),
            R"({"time":"2026-11-22T08:15:30.123Z","level":"info","message":"request",)"
            R"("request_id":"req_0123456789abcdef01234567","operation":"chat","peer":"127.0.0.1:50000",)"
            R"("key":"team-a","model":"fast","provider":"openai","provider_model":"gpt-4o-mini-2024-07-18",)"
            R"("status":200,"stream":false,"parsed_us":20,"first_byte_us":400000,"first_token_us":410000,)"
            R"("duration_us":900000,"input_tokens":215,"output_tokens":128,"cached_input_tokens":64,)"
            R"("request_bytes":1024})"
            "\n");
  EXPECT_TRUE(log_.all_later());
}

TEST_F(LogLineTest, EverythingThatIsSeldom) {
  std::string text = line([](Ended& e) {
    e.answered();
    e.exchange.request.stream = e.exchange.outcome.streamed = true;
    e.exchange.outcome.events = 31;
    e.exchange.outcome.attempts = 3;
    e.exchange.outcome.continuations = 2;
    e.exchange.outcome.begun_by = "other \"model\"";
    e.exchange.outcome.usage_estimated = e.exchange.outcome.degraded = e.exchange.cost.unpriced = true;
    e.exchange.cost.nanodollars = 325'000;
    e.exchange.outcome.cancelled = io::CancelReason::kIdleTimeout;
  });
  EXPECT_TRUE(log_.all_later());
  for (const char* part :
       {R"("stream":true)", R"("events":31)", R"("attempts":3)", R"("continuations":2)",
        R"("begun_by":"other \"model\"")", R"("usage_estimated":true)", R"("degraded":true)",
        R"("unpriced":true)", R"("cost_nanodollars":325000)", R"("cancelled":"idle_timeout")"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST_F(LogLineTest, AFailureSaysWhy) {
  std::string text = line([](Ended& e) {
    e.exchange.outcome.status = 502;
    e.fails(ErrorCode::kUpstream, "a \"quote\"\nand\x01 more", "connect_failed");
  });
  EXPECT_TRUE(log_.all_later());
  EXPECT_NE(text.find(R"("level":"warn")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("reason":"connect_failed","detail":"a \"quote\"\nand\u0001 more"})"),
            std::string::npos)
      << text;
}

TEST_F(LogLineTest, WhoLeftIsNoFailure) {
  std::string text = line([](Ended& e) {
    e.fails(ErrorCode::kCancelled, "the client left", "");
    e.exchange.outcome.cancelled = io::CancelReason::kClientLeft;
    e.exchange.timeline.authenticated = {};
    e.exchange.request.model.clear();
  });
  EXPECT_NE(text.find(R"("level":"info")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("status":499)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("cancelled":"client_left"})"), std::string::npos) << text;
  for (const char* absent : {"\"error\"", "\"detail\"", "\"key\"", "\"model\""})
    EXPECT_EQ(text.find(absent), std::string::npos) << absent << " in " << text;
}

// An event has 488 bytes; the line has all of the names.
TEST_F(LogLineTest, LongNamesAreNotCut) {
  std::string model(300, 'm'), provider_model(200, 'p');
  std::string text = line([&](Ended& e) {
    e.answered();
    e.exchange.request.model = model;
    e.exchange.outcome.provider_model = provider_model;
  });
  EXPECT_FALSE(log_.all_later());
  EXPECT_NE(text.find("\"model\":\"" + model + "\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"provider_model\":\"" + provider_model + "\""), std::string::npos) << text;
}

TEST_F(LogLineTest, LinesFollowEachOther) {
  for (int i = 0; i < 3; ++i)
    line([&](Ended& e) {
      e.exchange.id = "req_" + std::string(24, static_cast<char>('a' + i));
      if (i == 1) e.exchange.request.model = std::string(300, 'm');
    });
  std::string text = log_.text();
  size_t lines = 0;
  for (size_t at = 0; at < text.size(); ++lines) {
    size_t end = text.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    std::string line = text.substr(at, end - at);
    EXPECT_NE(line.find("req_" + std::string(24, static_cast<char>('a' + lines))), std::string::npos);
    EXPECT_TRUE(line.starts_with("{\"time\"") && line.ends_with("}")) << line;
    at = end + 1;
  }
  EXPECT_EQ(lines, 3u);
}

}  // namespace
}  // namespace weir::pipeline
