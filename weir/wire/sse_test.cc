#include "weir/wire/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::wire {
namespace {

using testing::ElementsAre;

// "raw>event>data", or "raw>event" without data; a block of memory of its own for each feed.
std::vector<std::string> frame(SseFramer& framer, std::string_view bytes, size_t step) {
  std::vector<std::string> out;
  while (!bytes.empty()) {
    std::vector<char> piece(bytes.begin(),
                            bytes.begin() + static_cast<ptrdiff_t>(std::min(step, bytes.size())));
    framer.feed({piece.data(), piece.size()});
    while (auto e = framer.next()) {
      std::string s = std::string(e->raw) + ">" + std::string(e->event);
      if (e->has_data) s += ">" + std::string(e->data);
      out.push_back(s);
    }
    bytes.remove_prefix(piece.size());
  }
  return out;
}

// The same at every width, or the test fails; the pending bytes are checked along.
std::vector<std::string> frame(std::string_view bytes, size_t pending = 0) {
  SseFramer whole;
  std::vector<std::string> expected = frame(whole, bytes, bytes.size());
  EXPECT_EQ(whole.pending_bytes(), pending) << bytes;
  for (size_t step = 1; step < bytes.size(); ++step) {
    SseFramer framer;
    EXPECT_EQ(frame(framer, bytes, step), expected) << "pieces of " << step;
    EXPECT_EQ(framer.pending_bytes(), pending) << "pieces of " << step;
  }
  return expected;
}

TEST(SseFramer, Fields) {
  EXPECT_THAT(frame("data: x\n\n"), ElementsAre("data: x\n\n>>x"));
  EXPECT_THAT(frame("data:x\n\n"), ElementsAre("data:x\n\n>>x"));
  EXPECT_THAT(frame("data:  x \n\n"), ElementsAre("data:  x \n\n>> x "));
  EXPECT_THAT(frame("data\n\n"), ElementsAre("data\n\n>>"));
  EXPECT_THAT(frame("data:\ndata\n\n"), ElementsAre("data:\ndata\n\n>>\n"));
  EXPECT_THAT(frame("data: a\nid: 1\ndata: b\nretry: 2\ndata:c\n\n"),
              ElementsAre("data: a\nid: 1\ndata: b\nretry: 2\ndata:c\n\n>>a\nb\nc"));
  EXPECT_THAT(frame("event: e\ndata: {\"a\":1}\n\n"),
              ElementsAre("event: e\ndata: {\"a\":1}\n\n>e>{\"a\":1}"));
  EXPECT_THAT(frame("event: e\nevent:f\ndata: x\n\ndata: y\n\n"),
              ElementsAre("event: e\nevent:f\ndata: x\n\n>f>x", "data: y\n\n>>y"));
  EXPECT_THAT(frame("event: e\n\n"), ElementsAre("event: e\n\n>e"));
  EXPECT_THAT(frame("dataX: a\n data: b\nDATA: c\nevents: d\n:data: e\n\n"),
              ElementsAre("dataX: a\n data: b\nDATA: c\nevents: d\n:data: e\n\n>"));
}

TEST(SseFramer, CommentsAndEmptyBlocksAreRelayed) {
  EXPECT_THAT(frame(": ping\n\n\n\ndata: x\n\n"), ElementsAre(": ping\n\n>", "\n>", "\n>", "data: x\n\n>>x"));
}

TEST(SseFramer, LineEnds) {
  EXPECT_THAT(frame("data: x\r\n\r\ndata: y\r\n\r\n"),
              ElementsAre("data: x\r\n\r\n>>x", "data: y\r\n\r\n>>y"));
  EXPECT_THAT(frame("data: x\r\rdata: y\r\r"), ElementsAre("data: x\r\r>>x", "data: y\r\r>>y"));
  EXPECT_THAT(frame("data: a\rdata: b\ndata: c\r\n\n"),
              ElementsAre("data: a\rdata: b\ndata: c\r\n\n>>a\nb\nc"));
  EXPECT_THAT(frame("\r\n\r\ndata: x\n\n"), ElementsAre("\r>", "\n\r\n>", "data: x\n\n>>x"));
}

// A blank line that is a CR: see the header on where its event ends.
TEST(SseFramer, ClosingCr) {
  EXPECT_THAT(frame("data: x\r\n\r", 10), ElementsAre());  // the LF of this CR is sure to come
  EXPECT_THAT(frame("data: x\r\n\rdata: y\n\n"), ElementsAre("data: x\r\n\r>>x", "data: y\n\n>>y"));
  EXPECT_THAT(frame("data: x\r\r"), ElementsAre("data: x\r\r>>x"));  // at once
  EXPECT_THAT(frame("data: x\r\r\ndata: y\r\r"), ElementsAre("data: x\r\r>>x", "\ndata: y\r\r>>y"));
  EXPECT_THAT(frame("data: x\n\r\n", 1), ElementsAre("data: x\n\r>>x"));
  EXPECT_THAT(frame("data: x\n\r\n\n"), ElementsAre("data: x\n\r>>x", "\n\n>"));
}

TEST(SseFramer, Bom) {
  EXPECT_THAT(frame("\xef\xbb\xbf"
                    "data: x\n\n"),
              ElementsAre("data: x\n\n>>x"));
  EXPECT_THAT(frame("\xef\xbb"
                    "data: x\n\n"),
              ElementsAre("\xef\xbb"
                          "data: x\n\n>"));
  EXPECT_THAT(frame("data: x\n\n\xef\xbb\xbf"
                    "data: y\n\n"),
              ElementsAre("data: x\n\n>>x",
                          "\xef\xbb\xbf"
                          "data: y\n\n>"));
  EXPECT_THAT(frame("\xef\xbb", 2), ElementsAre());
}

TEST(SseFramer, UnfinishedTailIsHeld) {
  EXPECT_THAT(frame("data: x\n\ndata: y\n", 8), ElementsAre("data: x\n\n>>x"));
  EXPECT_THAT(frame("data: y", 7), ElementsAre());
}

TEST(SseFramer, WholeEventsAreNotCopied) {
  SseFramer framer;
  std::string bytes = "event: e\ndata: x\n\ndata: y\n\n";
  framer.feed(bytes);
  auto e = framer.next();
  ASSERT_TRUE(e);
  EXPECT_EQ(e->raw.data(), bytes.data());
  EXPECT_EQ(e->data.data(), bytes.data() + 15);
  EXPECT_EQ(framer.next()->raw.data(), bytes.data() + 18);
  EXPECT_FALSE(framer.next());
}

TEST(SseFramer, Overflow) {
  std::string exact = "data: " + std::string(100 - 8, 'x') + "\n\n";
  for (size_t step : {size_t{1}, size_t{7}, size_t{1000}}) {
    SseFramer fits(100);
    EXPECT_EQ(frame(fits, exact + exact, step).size(), 2u);
    EXPECT_FALSE(fits.overflow());
    SseFramer framer(99);
    EXPECT_EQ(frame(framer, ":\n\n" + exact + ":\n\n", step).size(), 1u);
    EXPECT_TRUE(framer.overflow());
    EXPECT_EQ(framer.pending_bytes(), 0u);
    SseFramer endless(99);
    frame(endless, std::string(100, 'x'), step);
    EXPECT_TRUE(endless.overflow());
  }
}

}  // namespace
}  // namespace weir::wire
