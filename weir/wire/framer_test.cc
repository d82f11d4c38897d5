#include "weir/wire/framer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace weir::wire {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Outcome {
  std::vector<std::string> lines;  // "raw>data"
  bool overflow = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// The stream cut at these offsets; a block of memory of its own for each piece.
Outcome frame(std::string_view bytes, const std::vector<size_t>& cuts, size_t max = 1 << 20) {
  Outcome out;
  LineFramer framer(max);
  auto take = [&](const std::optional<StreamFrame>& f) {
    if (!f) return false;
    EXPECT_TRUE(f->has_data);
    EXPECT_TRUE(f->event.empty());
    EXPECT_TRUE(f->raw.starts_with(f->data));
    out.lines.push_back(std::string(f->raw) + ">" + std::string(f->data));
    return true;
  };
  size_t at = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    std::vector<char> piece(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                            bytes.begin() + static_cast<std::ptrdiff_t>(end));
    at = end;
    framer.feed({piece.data(), piece.size()});
    while (take(framer.next())) {
    }
    EXPECT_LE(framer.pending_bytes(), max);
  }
  take(framer.finish());
  EXPECT_FALSE(framer.finish());
  EXPECT_FALSE(framer.next());
  out.overflow = framer.overflow();
  return out;
}

// The same however it is cut: at every offset, in pieces of every width, at random.
Outcome frame_everyhow(std::string_view bytes, size_t max = 1 << 20) {
  Outcome whole = frame(bytes, {}, max);
  for (size_t cut = 0; cut <= bytes.size(); ++cut)
    EXPECT_EQ(frame(bytes, {cut}, max), whole) << "cut at " << cut;
  std::mt19937 random(7);
  for (size_t width = 1; width < 8; ++width) {
    std::vector<size_t> cuts, some;
    for (size_t at = width; at < bytes.size(); at += width) {
      cuts.push_back(at);
      if (random() % 3 == 0) some.push_back(at);
    }
    EXPECT_EQ(frame(bytes, cuts, max), whole) << "pieces of " << width;
    EXPECT_EQ(frame(bytes, some, max), whole);
  }
  return whole;
}

TEST(LineFramer, CutsLines) {
  EXPECT_THAT(frame_everyhow("{\"a\":1}\n{\"b\":2}\n").lines,
              ElementsAre("{\"a\":1}\n>{\"a\":1}", "{\"b\":2}\n>{\"b\":2}"));
  EXPECT_THAT(frame_everyhow("a\r\nb\r\nc\n").lines, ElementsAre("a\r\n>a", "b\r\n>b", "c\n>c"));
  EXPECT_THAT(frame_everyhow("a\rb\n").lines, ElementsAre("a\rb\n>a\rb"));
  EXPECT_THAT(frame_everyhow(" a \n").lines, ElementsAre(" a \n> a "));
}

TEST(LineFramer, SkipsBlankLines) {
  EXPECT_THAT(frame_everyhow("").lines, IsEmpty());
  EXPECT_THAT(frame_everyhow("\n\r\n \t\n").lines, IsEmpty());
  EXPECT_THAT(frame_everyhow("\n\na\n\n\r\nb\n\n").lines, ElementsAre("a\n>a", "b\n>b"));
  EXPECT_THAT(frame_everyhow("a\n \t\r").lines, ElementsAre("a\n>a"));
}

TEST(LineFramer, TheLastLineMayLackItsEnd) {
  EXPECT_THAT(frame_everyhow("a\nb").lines, ElementsAre("a\n>a", "b>b"));
  EXPECT_THAT(frame_everyhow("a\nb\r").lines, ElementsAre("a\n>a", "b\r>b"));
  EXPECT_THAT(frame_everyhow("b").lines, ElementsAre("b>b"));
}

TEST(LineFramer, BoundsALine) {
  EXPECT_EQ(frame_everyhow("aaaa\nbbbb\n", 5), (Outcome{{"aaaa\n>aaaa", "bbbb\n>bbbb"}, false}));
  EXPECT_EQ(frame_everyhow("aaaa\nbbbbb\ncc\n", 5), (Outcome{{"aaaa\n>aaaa"}, true}));
  EXPECT_EQ(frame_everyhow("aaaaaaaaaaaaaaaaaaaaaa", 5), (Outcome{{}, true}));
  EXPECT_EQ(frame_everyhow("                      a", 5), (Outcome{{}, true}));
  EXPECT_EQ(frame_everyhow("aaaaa", 5), (Outcome{{"aaaaa>aaaaa"}, false}));
}

TEST(LineFramer, RandomStreamsReadTheSameHoweverTheyAreCut) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (size_t n = random() % 40; n > 0; --n)
      bytes += "ab\n\r \t{}"[random() % 8];
    frame_everyhow(bytes, 3 + random() % 12);
  }
}

}  // namespace
}  // namespace weir::wire
