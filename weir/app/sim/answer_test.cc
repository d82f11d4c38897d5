// The simulated client's own reading: what it takes for right, and that each kind of wrong is seen.
#include "weir/app/sim/answer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "weir/app/mock/server.h"

namespace weir::app::sim {
namespace {

using ::testing::HasSubstr;

Ask stream_of(int64_t words) {
  Ask ask;
  ask.tag = 7;
  ask.stream = true;
  ask.words = words;
  return ask;
}

std::string event(std::string_view choices) {
  return fmt::format(
      R"(data: {{"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock-chat","choices":[{}]}})"
      "\n\n",
      choices);
}

std::string word(int64_t tag, int64_t index) {
  return event(fmt::format(R"({{"index":0,"delta":{{"content":"{}"}},"finish_reason":null}})",
                           mock_word(tag, index, 0)));
}

const std::string kFinish = event(R"({"index":0,"delta":{},"finish_reason":"stop"})");
const std::string kDone = "data: [DONE]\n\n";

std::string head(std::string_view type) {
  return fmt::format("HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n", type);
}
std::string chunked(std::string_view events) {
  return fmt::format("{}{:x}\r\n{}\r\n0\r\n\r\n", head("text/event-stream"), events.size(), events);
}

std::string wrong_of(const Ask& ask, std::string bytes) {
  AnswerReader reader(&ask);
  reader.take(bytes);
  return reader.wrong();
}

TEST(AnswerReader, TakesAStreamInAnyPieces) {
  Ask ask = stream_of(3);
  std::string whole = chunked(word(7, 0) + word(7, 1) + word(7, 2) + kFinish + kDone);
  for (size_t split = 0; split <= whole.size(); ++split) {
    AnswerReader reader(&ask);
    std::string bytes = whole.substr(0, split);
    reader.take(bytes);
    bytes += whole.substr(split) + "HTTP/1.1 ";
    reader.take(bytes);
    ASSERT_EQ(reader.wrong(), "") << split;
    EXPECT_TRUE(reader.complete());
    EXPECT_TRUE(reader.finished());
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(reader.words(), 3);
    EXPECT_EQ(bytes, "HTTP/1.1 ");  // the next answer's
  }
}

TEST(AnswerReader, SeesWhatIsMissingTwiceOrOfAnother) {
  Ask ask = stream_of(2);
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 1))), HasSubstr("word 0 is"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0) + word(7, 0))), HasSubstr("word 1 is"));
  EXPECT_THAT(wrong_of(ask, chunked(word(8, 0))), HasSubstr("word 0 is"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0) + kFinish)), HasSubstr("finished after 1 of 2 words"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0) + kDone)), HasSubstr("without a finish_reason"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0) + word(7, 1) + kFinish + kFinish)),
              HasSubstr("second finish"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0) + word(7, 1) + kFinish + kDone + kDone)),
              HasSubstr("after [DONE]"));
  EXPECT_THAT(wrong_of(ask, chunked(word(7, 0).substr(0, 90))), HasSubstr("ends inside an event"));
  EXPECT_THAT(wrong_of(ask, head("text/event-stream") + "zz\r\n"), HasSubstr("a chunk without a size"));
}

TEST(AnswerReader, KnowsErrorsOfTheDialectOnly) {
  Ask ask = stream_of(2);
  auto error = [](std::string_view body) {
    return fmt::format("HTTP/1.1 503 Service Unavailable\r\ncontent-length: {}\r\n\r\n{}", body.size(), body);
  };
  AnswerReader reader(&ask);
  std::string bytes = error(R"({"error":{"message":"m","type":"t","param":null,"code":"overloaded"}})");
  reader.take(bytes);
  EXPECT_EQ(reader.wrong(), "");
  EXPECT_EQ(reader.status(), 503);
  EXPECT_EQ(reader.error(), "overloaded");
  EXPECT_THAT(wrong_of(ask, error("busy")), HasSubstr("without an error of the dialect"));
  EXPECT_THAT(wrong_of(ask, error(R"({"error":{"message":"m"}})")),
              HasSubstr("without an error of the dialect"));
}

}  // namespace
}  // namespace weir::app::sim
