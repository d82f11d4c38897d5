// Bodies freed of their framing: every state, and the same payload however the bytes were cut.
#include "weir/http/body_reader.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "weir/http/inbox.h"
#include "weir/io/task.h"

namespace weir::http {
namespace {

using State = BodyReader::State;

// Hands out the pieces it was given, one a read, then `end`. Every other read is answered later, by
// complete(), as a socket would.
class PieceStream final : public io::Stream {
 public:
  std::deque<std::string> pieces;
  io::IoStatus end = io::IoStatus::kEof;
  bool later = false;

  std::optional<io::IoResult> start_read(std::span<char> into, io::Completion& completion) override {
    EXPECT_FALSE(waiting_) << "two reads at once";
    if (later) {
      waiting_ = &completion;
      into_ = into;
      return std::nullopt;
    }
    return next(into.empty() ? completion.read_into() : into);
  }
  std::optional<io::IoResult> start_write(std::span<const std::string_view>, io::Completion&) override {
    return io::IoResult{};
  }
  void abort() override { end = io::IoStatus::kCancelled; }
  std::string_view peer() const override { return "pieces"; }

  bool waiting() const { return waiting_ != nullptr; }
  void complete() {
    io::Completion* c = std::exchange(waiting_, nullptr);
    c->on_done(next(into_.empty() ? c->read_into() : into_));
  }

 private:
  io::IoResult next(std::span<char> into) {
    if (pieces.empty()) return {end, 0};
    std::string& first = pieces.front();
    size_t n = std::min(first.size(), into.size());
    std::copy_n(first.data(), n, into.data());
    first.erase(0, n);
    if (first.empty()) pieces.pop_front();
    return {io::IoStatus::kOk, n};
  }
  io::Completion* waiting_ = nullptr;
  std::span<char> into_;
};

enum class Framing { kNone, kLength, kChunked, kUntilClose };

struct Outcome {
  std::string payload;
  State end = State::kNothing;
  std::string left;  // in the inbox, behind the body
  friend bool operator==(const Outcome&, const Outcome&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Outcome& o) {
    return out << "\"" << o.payload << "\" ended " << static_cast<int>(o.end) << " left \"" << o.left << "\"";
  }
};

io::Task<void> read(PieceStream& stream, Framing framing, uint64_t length, Outcome& outcome) {
  Inbox inbox(stream);
  BodyReader body(inbox);
  io::Cancel never;
  switch (framing) {
    case Framing::kNone:
      body.begin_none();
      break;
    case Framing::kLength:
      body.begin_length(length);
      break;
    case Framing::kChunked:
      body.begin_chunked();
      break;
    case Framing::kUntilClose:
      body.begin_until_close();
      break;
  }
  for (;;) {
    BodyReader::Piece piece = body.take();
    outcome.payload += piece.bytes;
    outcome.end = piece.state;
    EXPECT_EQ(piece.state == State::kEnd, body.complete());
    if (piece.state == State::kData) {
      EXPECT_FALSE(piece.bytes.empty());
      continue;
    }
    if (piece.state != State::kNothing) break;
    co_await inbox.more(never);
  }
  body.release();
  if (outcome.end == State::kEnd) {
    EXPECT_EQ(body.take().state, State::kEnd);
    while (framing != Framing::kUntilClose && co_await inbox.more(never) == io::IoStatus::kOk) {
    }
    outcome.left = inbox.bytes();
  }
}

Outcome outcome_of(std::vector<std::string> pieces, Framing framing, uint64_t length = 0, bool later = false,
                   io::IoStatus end = io::IoStatus::kEof) {
  PieceStream stream;
  stream.pieces.assign(pieces.begin(), pieces.end());
  stream.end = end;
  stream.later = later;
  Outcome outcome;
  io::TaskGroup group;
  group.start(read(stream, framing, length, outcome));
  while (stream.waiting())
    stream.complete();
  EXPECT_EQ(group.running(), 0u);
  return outcome;
}

TEST(BodyReader, None) {
  EXPECT_EQ(outcome_of({"next"}, Framing::kNone), (Outcome{"", State::kEnd, "next"}));
}

TEST(BodyReader, Length) {
  EXPECT_EQ(outcome_of({"abcdef"}, Framing::kLength, 4), (Outcome{"abcd", State::kEnd, "ef"}));
  EXPECT_EQ(outcome_of({}, Framing::kLength, 0), (Outcome{"", State::kEnd, ""}));
  EXPECT_EQ(outcome_of({"ab"}, Framing::kLength, 4), (Outcome{"ab", State::kTruncated, ""}));
  EXPECT_EQ(outcome_of({"ab"}, Framing::kLength, 4, false, io::IoStatus::kReset).end, State::kTruncated);
}

TEST(BodyReader, LengthCountsDown) {
  PieceStream stream;
  stream.pieces = {"abc"};
  stream.later = true;
  Inbox inbox(stream);
  BodyReader body(inbox);
  body.begin_length(10);
  EXPECT_TRUE(body.has_length());
  EXPECT_EQ(body.take().state, State::kNothing);
  inbox.arm();
  stream.complete();
  EXPECT_EQ(body.take().bytes, "abc");
  EXPECT_EQ(body.length_left(), 7u);
  body.begin_chunked();
  EXPECT_FALSE(body.has_length());
  EXPECT_EQ(body.length_left(), 0u);
}

TEST(BodyReader, Chunked) {
  EXPECT_EQ(outcome_of({"3\r\nabc\r\n0\r\n\r\nnext"}, Framing::kChunked),
            (Outcome{"abc", State::kEnd, "next"}));
  EXPECT_EQ(outcome_of({"3\r\nabc\r\n"}, Framing::kChunked), (Outcome{"abc", State::kTruncated, ""}));
  EXPECT_EQ(outcome_of({"3\r\nab"}, Framing::kChunked), (Outcome{"ab", State::kTruncated, ""}));
  EXPECT_EQ(outcome_of({"3\nabc"}, Framing::kChunked).end, State::kMalformed);
}

TEST(BodyReader, UntilClose) {
  EXPECT_EQ(outcome_of({"abc", "def"}, Framing::kUntilClose), (Outcome{"abcdef", State::kEnd, ""}));
  EXPECT_EQ(outcome_of({}, Framing::kUntilClose), (Outcome{"", State::kEnd, ""}));
  // A connection that was cut is not one that ended.
  EXPECT_EQ(outcome_of({"abc"}, Framing::kUntilClose, 0, false, io::IoStatus::kReset).end, State::kTruncated);
}

TEST(BodyReader, EverySplitGivesTheSame) {
  struct Case {
    std::string wire;
    Framing framing;
    uint64_t length;
  };
  std::mt19937 random(7);
  std::string chunked;
  for (size_t size : {1, 15, 16, 300, 5000, 1, 1, 9000}) {
    char head[32];
    snprintf(head, sizeof(head), "%zx;ext=\"q\"\r\n", size);
    chunked += head + std::string(size, static_cast<char>('a' + size % 26)) + "\r\n";
  }
  chunked += "0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n";
  std::vector<Case> cases = {
      {std::string(20'000, 'l') + "behind", Framing::kLength, 20'000},
      {chunked, Framing::kChunked, 0},
      {std::string(20'000, 'c'), Framing::kUntilClose, 0},
      {"5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\nx", Framing::kChunked, 0},
      {"5\r\nhello\r\n3\r\nabcd", Framing::kChunked, 0},
  };
  for (const Case& c : cases) {
    Outcome whole = outcome_of({c.wire}, c.framing, c.length);
    for (int round = 0; round < 300; ++round) {
      std::vector<std::string> pieces;
      size_t longest = size_t{1} << (random() % 14);
      for (size_t at = 0; at < c.wire.size();) {
        size_t n = std::min<size_t>(1 + random() % longest, c.wire.size() - at);
        if (round == 0) n = 1;
        pieces.push_back(c.wire.substr(at, n));
        at += n;
      }
      Outcome split = outcome_of(pieces, c.framing, c.length, round % 2 == 1);
      ASSERT_EQ(split, whole) << "round " << round;
    }
  }
}

// ------------------------------------------------------------------------------- the inbox below

io::Task<void> wait_for_more(Inbox& inbox, io::Cancel& cancel, std::optional<io::IoStatus>& status) {
  status = co_await inbox.more(cancel);
}

struct Watcher final : InboxWatcher {
  std::vector<io::IoStatus> told;
  void on_inbox(io::IoStatus status) override { told.push_back(status); }
};

TEST(Inbox, TellsItsWatcherWhileNobodyWaits) {
  PieceStream stream;
  stream.later = true;
  stream.pieces = {"a"};
  Inbox inbox(stream);
  Watcher watcher;
  inbox.watcher = &watcher;
  inbox.arm();
  inbox.arm();  // one read is enough
  stream.complete();
  EXPECT_EQ(watcher.told, std::vector{io::IoStatus::kOk});
  inbox.arm();
  stream.complete();
  EXPECT_EQ(watcher.told.back(), io::IoStatus::kEof);
  inbox.arm();
  EXPECT_FALSE(stream.waiting());
  EXPECT_EQ(inbox.bytes(), "a");
}

TEST(Inbox, AWaiterTakesTheArmedReadOver) {
  PieceStream stream;
  stream.later = true;
  stream.pieces = {"abc"};
  Inbox inbox(stream);
  Watcher watcher;
  inbox.watcher = &watcher;
  inbox.arm();
  io::Cancel cancel;
  std::optional<io::IoStatus> status;
  io::TaskGroup group;
  group.start(wait_for_more(inbox, cancel, status));
  stream.complete();
  EXPECT_EQ(status, io::IoStatus::kOk);
  EXPECT_TRUE(watcher.told.empty());
  EXPECT_EQ(inbox.bytes(), "abc");
}

TEST(Inbox, NeverMovesBytesUnderAnArmedRead) {
  PieceStream stream;
  stream.later = true;
  Inbox inbox(stream);
  stream.pieces = {std::string(Inbox::kInitialBytes - 1, 'x'), "y", "z"};
  inbox.arm();
  stream.complete();
  const char* at = inbox.bytes().data();
  inbox.consume(10);
  inbox.arm();
  stream.complete();
  EXPECT_EQ(inbox.bytes().data(), at + 10);
  inbox.arm();  // no room: no read, until a waiter makes some
  EXPECT_FALSE(stream.waiting());
  io::Cancel cancel;
  std::optional<io::IoStatus> status;
  io::TaskGroup group;
  group.start(wait_for_more(inbox, cancel, status));
  stream.complete();
  EXPECT_EQ(inbox.bytes().substr(Inbox::kInitialBytes - 11), "yz");
}

TEST(Inbox, HoldsNoBufferWhileItIsEmptyAndWaits) {
  PieceStream stream;
  stream.later = true;
  stream.pieces = {"abc", "de", "f"};
  Inbox inbox(stream);
  inbox.arm();
  EXPECT_EQ(inbox.room(), 0u);
  stream.complete();
  EXPECT_EQ(inbox.bytes(), "abc");
  EXPECT_EQ(inbox.room(), Inbox::kInitialBytes - 3);
  inbox.consume(1);
  inbox.arm();  // it holds bytes
  EXPECT_EQ(inbox.room(), Inbox::kInitialBytes - 3);
  stream.complete();
  EXPECT_EQ(inbox.bytes(), "bcde");
  inbox.consume(4);
  io::Cancel cancel;
  std::optional<io::IoStatus> status;
  io::TaskGroup group;
  group.start(wait_for_more(inbox, cancel, status));
  EXPECT_EQ(inbox.room(), 0u);
  stream.complete();
  EXPECT_EQ(status, io::IoStatus::kOk);
  EXPECT_EQ(inbox.bytes(), "f");
}

TEST(Inbox, TheNextBufferIsAsLargeAsTheLast) {
  PieceStream stream;
  stream.pieces = {std::string(100'000, 'x')};
  Inbox inbox(stream);
  inbox.reserve(200'000);
  inbox.arm();
  EXPECT_EQ(inbox.size(), Inbox::kBurstBytes) << "within bounds";
  inbox.consume(Inbox::kBurstBytes);
  inbox.shrink();
  inbox.arm();
  EXPECT_EQ(inbox.size(), Inbox::kInitialBytes);
}

}  // namespace
}  // namespace weir::http
