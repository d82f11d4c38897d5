#include "weir/io/net/socket_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "weir/io/net/net_loop.h"
#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::io::net {
namespace {

// Each test runs over both kinds of socket.
class SocketStreamTest : public ::testing::TestWithParam<Address::Kind> {
 protected:
  void SetUp() override {
    auto made = loop_.disk().make_temporary_directory("weir-net-test");
    ASSERT_TRUE(made);
    directory_ = *made;
    if (GetParam() == Address::Kind::kUnix) at_ = {Address::Kind::kUnix, directory_ + "/socket", 0};
  }
  void TearDown() override { loop_.disk().remove(directory_); }

  TestLoop host_;
  Loop& loop_ = host_.loop();
  std::string directory_;
  Address at_{Address::Kind::kTcp, "127.0.0.1", 0};
};

INSTANTIATE_TEST_SUITE_P(Kinds, SocketStreamTest,
                         ::testing::Values(Address::Kind::kTcp, Address::Kind::kUnix),
                         [](const auto& i) { return i.param == Address::Kind::kTcp ? "Tcp" : "Unix"; });

Task<void> both_ways(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  std::array<std::string_view, 4> pieces{"hello", "", " ", "world"};
  IoResult w = co_await write(*ends.client, pieces, cancel);
  EXPECT_TRUE(w.ok());
  EXPECT_EQ(w.bytes, 11u);
  EXPECT_EQ(co_await read_all(*ends.server, 11, cancel), "hello world");
  co_await write_text(*ends.server, "yes", cancel);
  EXPECT_EQ(co_await read_all(*ends.client, 3, cancel), "yes");
  EXPECT_EQ(ends.server->peer(), at.kind == Address::Kind::kUnix ? "unix" : "127.0.0.1");
  ends.client.reset();
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kEof);
}

TEST_P(SocketStreamTest, CarriesBytesBothWaysAndEndsInOrder) {
  host_.run(both_ways(loop_, at_));
}

Task<void> late_place(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  co_await read_without_a_place(*ends.client, *ends.server, cancel);
}

TEST_P(SocketStreamTest, AReadThatWaitsNeedsNoPlace) {
  host_.run(late_place(loop_, at_));
}

Task<void> write_pieces(Stream& stream, const std::string& text, size_t step, IoResult* result) {
  Cancel cancel;
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < text.size(); at += step)
    pieces.push_back(std::string_view(text).substr(at, step));
  *result = co_await write(stream, pieces, cancel);
}

// 10 MB to a reader that starts only after the socket is full: the write waits and goes on where it stopped.
Task<void> slow_reader(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  std::string text = long_text(10'000'000);
  for (size_t step : {text.size(), size_t{70'001}, size_t{1'009}}) {
    IoResult written;
    TaskGroup writers;
    writers.start(write_pieces(*ends.client, text, step, &written));
    EXPECT_EQ(writers.running(), 1u) << "the sockets took 10 MB at once";
    std::string got = co_await read_all(*ends.server, text.size(), cancel);
    co_await writers.idle();
    EXPECT_TRUE(got == text);
    EXPECT_TRUE(written.ok());
    EXPECT_EQ(written.bytes, text.size());
  }
}

TEST_P(SocketStreamTest, WritesAllOfTenMegabytesToASlowReader) {
  host_.run(slow_reader(loop_, at_));
}

Task<void> read_into(Stream& stream, Cancel& cancel, IoStatus* into) {
  *into = co_await read_status(stream, cancel);
}

Task<void> cancelled_read(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  IoStatus status = IoStatus::kOk;
  TaskGroup readers;
  Cancel scope;
  readers.start(read_into(*ends.server, scope, &status));
  scope.request(CancelReason::kIdleTimeout);
  EXPECT_EQ(status, IoStatus::kOk) << "completions come from the loop";
  co_await readers.idle();
  EXPECT_EQ(status, IoStatus::kCancelled);
  // Before it starts, and on a stream that was aborted.
  EXPECT_EQ(co_await read_status(*ends.client, scope), IoStatus::kCancelled);
  co_await write_text(*ends.client, "late", cancel);
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kCancelled);
  EXPECT_EQ((co_await write_text(*ends.server, "late", cancel)).status, IoStatus::kCancelled);
}

TEST_P(SocketStreamTest, ACancelledReadEndsAndTheStreamIsDead) {
  host_.run(cancelled_read(loop_, at_));
}

Task<void> write_into(Stream& stream, const std::string& text, Cancel& cancel, IoResult* into) {
  std::string_view piece = text;
  *into = co_await write(stream, {&piece, 1}, cancel);
}

Task<void> cancelled_write(Loop& loop, Address at) {
  Cancel cancel, scope;
  Ends ends = co_await connected(loop, at, cancel);
  std::string text(10'000'000, 'x');
  IoResult result;
  TaskGroup writers;
  writers.start(write_into(*ends.client, text, scope, &result));
  EXPECT_EQ(writers.running(), 1u);
  scope.request(CancelReason::kClientSlow);
  co_await writers.idle();
  EXPECT_EQ(result.status, IoStatus::kCancelled);
}

TEST_P(SocketStreamTest, ACancelledWriteEnds) {
  host_.run(cancelled_write(loop_, at_));
}

struct Never final : Completion {
  void on_done(IoResult) override { ADD_FAILURE() << "a destroyed stream completed"; }
};

Task<void> destroy_pending(Loop& loop, Address at) {
  Cancel cancel;
  Never never;
  std::string text(10'000'000, 'x');
  std::string_view piece = text;
  for (bool readable : {false, true}) {
    Ends ends = co_await connected(loop, at, cancel);
    auto buffer = std::make_unique<std::array<char, 64>>();
    if (readable) co_await write_text(*ends.client, "here", cancel);  // the read completes, but later
    EXPECT_FALSE(ends.server->start_read(*buffer, never));
    EXPECT_FALSE(ends.server->start_write({&piece, 1}, never));
    ends.server.reset();
    buffer.reset();
    if (!readable) co_await write_text(*ends.client, "too late", cancel);
    co_await turns(loop, 20);
  }
}

TEST_P(SocketStreamTest, ADestroyedStreamNeverCompletesNorTouchesItsBuffers) {
  host_.run(destroy_pending(loop_, at_));
}

Task<void> end_from_completion(Loop& loop, Address at, int* reads) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  struct Ender final : Completion {
    void on_done(IoResult) override {
      ++*reads;
      stream.reset();
    }
    std::unique_ptr<Stream> stream;
    int* reads = nullptr;
  } ender;
  ender.reads = reads;
  ender.stream = std::move(ends.server);
  std::array<char, 64> buffer;
  EXPECT_FALSE(ender.stream->start_read(buffer, ender));
  co_await write_text(*ends.client, "x", cancel);
  EXPECT_NE(co_await read_status(*ends.client, cancel), IoStatus::kOk);
}

TEST_P(SocketStreamTest, ACompletionMayDestroyItsStream) {
  int reads = 0;
  host_.run(end_from_completion(loop_, at_, &reads));
  EXPECT_EQ(reads, 1);
}

// The end may come with the last bytes, in one edge: it is found though the bytes filled no buffer. And an
// edge that nobody waited for is remembered.
Task<void> end_with_bytes(Loop& loop, Address at) {
  Cancel cancel;
  for (bool waits : {false, true}) {
    Ends ends = co_await connected(loop, at, cancel);
    std::string got;
    TaskGroup readers;
    auto both = [](Stream& stream, Cancel& scope, std::string* into) -> Task<void> {
      *into = co_await read_all(stream, 1000, scope);  // until the end
    };
    if (waits) readers.start(both(*ends.server, cancel, &got));
    co_await write_text(*ends.client, "last", cancel);
    ends.client.reset();
    if (!waits) {
      co_await turns(loop, 5);
      readers.start(both(*ends.server, cancel, &got));
    }
    co_await readers.idle();
    EXPECT_EQ(got, "last");
    EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kEof) << "an end stays";
  }
}

TEST_P(SocketStreamTest, AnEndThatComesWithTheLastBytesIsFound) {
  host_.run(end_with_bytes(loop_, at_));
}

// What comes between two reads is found by the second, and what comes after it wakes it.
Task<void> one_by_one(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  std::array<char, 64> buffer;
  for (int i = 0; i < 50; ++i) {
    bool first = i % 2 == 0;
    IoStatus status = IoStatus::kFailed;
    TaskGroup readers;
    if (!first) readers.start(read_into(*ends.server, cancel, &status));
    co_await write_text(*ends.client, "x", cancel);
    if (i % 3 == 0) co_await turns(loop, 3);
    if (first) status = (co_await read(*ends.server, buffer, cancel)).status;
    co_await readers.idle();
    EXPECT_EQ(status, IoStatus::kOk);
  }
}

TEST_P(SocketStreamTest, NoEdgeIsLostBetweenReads) {
  host_.run(one_by_one(loop_, at_));
}

// Closing with unread bytes cuts the connection: the peer's read is a reset, and its writes fail.
Task<void> reset_by_peer(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  co_await write_text(*ends.server, "unread", cancel);
  ends.client.reset();
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kReset);
  EXPECT_EQ((co_await write_text(*ends.server, "x", cancel)).status, IoStatus::kReset);
}

TEST_P(SocketStreamTest, ACutConnectionIsAReset) {
  host_.run(reset_by_peer(loop_, at_));
}

// A peer faster than we are must not keep the loop to itself: other work gets its turn.
Task<void> fair(Loop& loop, Address at) {
  Cancel cancel;
  Ends ends = co_await connected(loop, at, cancel);
  std::string text(100'000, 'x');
  IoResult written;
  TaskGroup writers;
  writers.start(write_into(*ends.client, text, cancel, &written));
  bool other = false;
  size_t got = 0;
  loop.post([&] { other = true; });
  std::array<char, 64> small;
  while (!other && got < text.size())
    got += (co_await read(*ends.server, small, cancel)).bytes;
  EXPECT_TRUE(other);
  EXPECT_LT(got, text.size());
  co_await read_all(*ends.server, text.size() - got, cancel);
  co_await writers.idle();
}

TEST_P(SocketStreamTest, ReadsAnsweredAtOnceLeaveTheLoopATurn) {
  host_.run(fair(loop_, at_));
}

TEST(SocketStatusTest, MapsErrnoToWhatTheGatewayDoesAboutIt) {
  EXPECT_EQ(socket_status(0), IoStatus::kOk);
  EXPECT_EQ(socket_status(ECONNRESET), IoStatus::kReset);
  EXPECT_EQ(socket_status(EPIPE), IoStatus::kReset);
  EXPECT_EQ(socket_status(ETIMEDOUT), IoStatus::kReset);
  EXPECT_EQ(socket_status(ECANCELED), IoStatus::kCancelled);
  EXPECT_EQ(socket_status(ENOMEM), IoStatus::kFailed);
}

}  // namespace
}  // namespace weir::io::net
