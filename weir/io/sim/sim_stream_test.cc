// What weir/io/stream.h promises, of the simulated stream: between two machines, within one, and over a Unix
// socket, each with several seeds, since a seed decides what is answered at once.
#include "weir/io/sim/sim_stream.h"

#include <gtest/gtest.h>

#include <array>

#include "weir/io/sim/test_universe.h"

namespace weir::io::sim {
namespace {

enum class Way : uint8_t { kBetween, kInside, kUnix };

class SimStreamTest : public ::testing::TestWithParam<std::tuple<Way, int>> {
 protected:
  Way way() const { return std::get<0>(GetParam()); }
  Loop& server() { return way() == Way::kBetween ? world_.server() : world_.client(1); }
  Task<Ends> connect(Cancel& cancel) {
    Address at = way() == Way::kUnix ? Address{Address::Kind::kUnix, "/run/socket", 0} : tcp("0.0.0.0", 80);
    Address to = at;
    if (way() == Way::kBetween) to = tcp("10.0.0.2", 80);
    if (way() == Way::kInside) to = tcp("127.0.0.1", 80);
    return connected(world_.client(), server(), at, to, cancel);
  }
  TestUniverse world_{static_cast<uint64_t>(std::get<1>(GetParam()))};

 public:
  Task<void> both_ways();
  Task<void> late_place();
  Task<void> slow_reader();
  Task<void> cancelled_read();
  Task<void> cancelled_write();
  Task<void> destroy_pending();
  Task<void> end_from_completion(int* reads);
  Task<void> reset_by_peer();
  Task<void> write_to_closed();
  Task<void> fair();
};

std::string case_name(const ::testing::TestParamInfo<std::tuple<Way, int>>& info) {
  auto [way, seed] = info.param;
  std::string name = way == Way::kBetween ? "Between" : way == Way::kInside ? "Inside" : "Unix";
  return name + std::to_string(seed);
}

INSTANTIATE_TEST_SUITE_P(Ways, SimStreamTest,
                         ::testing::Combine(::testing::Values(Way::kBetween, Way::kInside, Way::kUnix),
                                            ::testing::Range(1, 9)),
                         case_name);

Task<void> SimStreamTest::both_ways() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  std::array<std::string_view, 4> pieces{"hello", "", " ", "world"};
  IoResult w = co_await write(*ends.client, pieces, cancel);
  EXPECT_TRUE(w.ok());
  EXPECT_EQ(w.bytes, 11u);
  EXPECT_EQ(co_await read_all(*ends.server, 11, cancel), "hello world");
  co_await write_text(*ends.server, "yes", cancel);
  EXPECT_EQ(co_await read_all(*ends.client, 3, cancel), "yes");
  std::string_view peers[] = {"10.0.0.1", "127.0.0.1", "unix"};
  EXPECT_EQ(ends.server->peer(), peers[static_cast<int>(way())]);
  co_await write_text(*ends.client, "last", cancel);
  ends.client.reset();
  EXPECT_EQ(co_await read_all(*ends.server, 100, cancel), "last");
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kEof);
}

TEST_P(SimStreamTest, CarriesBytesBothWaysAndEndsInOrder) {
  world_.run(both_ways());
}

Task<void> write_pieces(Stream& stream, const std::string& text, size_t step, IoResult* result) {
  Cancel cancel;
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < text.size(); at += step)
    pieces.push_back(std::string_view(text).substr(at, step));
  *result = co_await write(stream, pieces, cancel);
}

Task<void> SimStreamTest::slow_reader() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  std::string text = long_text(1'000'000);
  for (size_t step : {text.size(), size_t{70'001}, size_t{1'009}}) {
    IoResult written;
    TaskGroup writers;
    writers.start(write_pieces(*ends.client, text, step, &written));
    co_await sleep(server(), seconds(1), cancel);
    EXPECT_EQ(writers.running(), 1u) << "the network took it all";
    std::string got = co_await read_all(*ends.server, text.size(), cancel);
    co_await writers.idle();
    EXPECT_TRUE(got == text);
    EXPECT_TRUE(written.ok());
    EXPECT_EQ(written.bytes, text.size());
  }
}

TEST_P(SimStreamTest, AWriteWaitsForASlowReaderAndNoMoreThanTheWindowIsHeld) {
  world_.run(slow_reader());
  EXPECT_EQ(world_->census().largest_buffer_bytes, SimConnection::kWindowBytes);
}

Task<void> read_into(Stream& stream, Cancel& cancel, IoStatus* into) {
  *into = co_await read_status(stream, cancel);
}

Task<void> SimStreamTest::cancelled_read() {
  Cancel cancel, scope;
  Ends ends = co_await connect(cancel);
  IoStatus status = IoStatus::kOk;
  TaskGroup readers;
  readers.start(read_into(*ends.server, scope, &status));
  scope.request(CancelReason::kIdleTimeout);
  EXPECT_EQ(status, IoStatus::kOk) << "completions come from the loop";
  co_await readers.idle();
  EXPECT_EQ(status, IoStatus::kCancelled);
  EXPECT_EQ(co_await read_status(*ends.client, scope), IoStatus::kCancelled);
  co_await write_text(*ends.client, "late", cancel);
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kCancelled);
  EXPECT_EQ((co_await write_text(*ends.server, "late", cancel)).status, IoStatus::kCancelled);
}

TEST_P(SimStreamTest, ACancelledReadEndsAndTheStreamIsDead) {
  world_.run(cancelled_read());
}

Task<void> write_into(Stream& stream, const std::string& text, Cancel& cancel, IoResult* into) {
  std::string_view piece = text;
  *into = co_await write(stream, {&piece, 1}, cancel);
}

Task<void> SimStreamTest::cancelled_write() {
  Cancel cancel, scope;
  Ends ends = co_await connect(cancel);
  std::string text(1'000'000, 'x');
  IoResult result;
  TaskGroup writers;
  writers.start(write_into(*ends.client, text, scope, &result));
  EXPECT_EQ(writers.running(), 1u);
  scope.request(CancelReason::kClientSlow);
  EXPECT_EQ(writers.running(), 1u);
  co_await writers.idle();
  EXPECT_EQ(result.status, IoStatus::kCancelled);
}

TEST_P(SimStreamTest, ACancelledWriteEnds) {
  world_.run(cancelled_write());
}

Task<void> SimStreamTest::late_place() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  co_await read_without_a_place(*ends.client, *ends.server, cancel);
}

TEST_P(SimStreamTest, AReadThatWaitsNeedsNoPlace) {
  world_.run(late_place());
}

struct Never final : Completion {
  void on_done(IoResult) override { ADD_FAILURE() << "a destroyed stream completed"; }
};

Task<void> SimStreamTest::destroy_pending() {
  Cancel cancel;
  Never never;
  std::string text(1'000'000, 'x');
  std::string_view piece = text;
  Ends ends = co_await connect(cancel);
  auto buffer = std::make_unique<std::array<char, 64>>();
  EXPECT_FALSE(ends.server->start_read(*buffer, never));
  EXPECT_FALSE(ends.server->start_write({&piece, 1}, never));
  co_await write_text(*ends.client, "on its way", cancel);
  ends.server.reset();
  buffer.reset();
  text = {};
  co_await sleep(world_.client(), seconds(1), cancel);
}

TEST_P(SimStreamTest, ADestroyedStreamNeverCompletesNorTouchesItsBuffers) {
  world_.run(destroy_pending());
}

Task<void> SimStreamTest::end_from_completion(int* reads) {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
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

TEST_P(SimStreamTest, ACompletionMayDestroyItsStream) {
  int reads = 0;
  world_.run(end_from_completion(&reads));
  EXPECT_EQ(reads, 1);
}

// Closing with unread bytes cuts the connection: the peer's read is a reset, and its writes fail.
Task<void> SimStreamTest::reset_by_peer() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  co_await write_text(*ends.server, "unread", cancel);
  co_await sleep(world_.client(), seconds(1), cancel);
  ends.client.reset();
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kReset);
  EXPECT_EQ((co_await write_text(*ends.server, "x", cancel)).status, IoStatus::kReset);
}

TEST_P(SimStreamTest, ACutConnectionIsAReset) {
  world_.run(reset_by_peer());
}

Task<void> SimStreamTest::write_to_closed() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  ends.client.reset();
  EXPECT_EQ(co_await read_status(*ends.server, cancel), IoStatus::kEof);
  std::string text(1'000'000, 'x');
  IoResult result;
  co_await write_into(*ends.server, text, cancel, &result);
  EXPECT_EQ(result.status, IoStatus::kReset);
}

TEST_P(SimStreamTest, WritingToWhoIsGoneEndsInAReset) {
  world_.run(write_to_closed());
}

// A peer faster than we are must not keep the loop to itself: other work gets its turn.
Task<void> SimStreamTest::fair() {
  Cancel cancel;
  Ends ends = co_await connect(cancel);
  std::string text(60'000, 'x');
  co_await write_text(*ends.client, text, cancel);
  co_await sleep(server(), seconds(1), cancel);
  bool other = false;
  size_t got = 0;
  server().post([&] { other = true; });
  std::array<char, 64> small;
  while (!other && got < text.size())
    got += (co_await read(*ends.server, small, cancel)).bytes;
  EXPECT_TRUE(other);
  EXPECT_LT(got, text.size());
}

TEST_P(SimStreamTest, ReadsAnsweredAtOnceLeaveTheLoopATurn) {
  world_.run(fair());
}

// Over the seeds both ways of answering happen, and never from inside the call.
TEST(SimStreamAnswersTest, AnswersAtOnceAndLater) {
  int reads_at_once = 0, writes_at_once = 0;
  constexpr int kSeeds = 100;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    TestUniverse world(static_cast<uint64_t>(seed));
    Ends ends = connect_now(world);
    Answer wrote, got;
    writes_at_once += start_write(*ends.client, "text", wrote);
    world->run_for(seconds(1));
    std::array<char, 10> buffer;
    reads_at_once += start_read(*ends.server, buffer, got);
    world->run_for(seconds(1));
    EXPECT_EQ(wrote.count, 1);
    EXPECT_EQ(got.count, 1);
    EXPECT_EQ(got.result.bytes, 4u);
  }
  EXPECT_GT(reads_at_once, kSeeds / 4);
  EXPECT_LT(reads_at_once, kSeeds * 3 / 4);
  EXPECT_GT(writes_at_once, kSeeds / 2);
  EXPECT_LT(writes_at_once, kSeeds);
}

TEST(SimStreamAnswersTest, AReadWaitsForBytesThatComeLater) {
  TestUniverse world;
  Ends ends = connect_now(world);
  std::array<char, 10> buffer;
  Answer got, wrote;
  EXPECT_FALSE(start_read(*ends.server, buffer, got));
  world->run_for(seconds(1));
  EXPECT_EQ(got.count, 0);
  start_write(*ends.client, "text", wrote);
  EXPECT_EQ(got.count, 0) << "bytes take time";
  world->run_for(seconds(1));
  EXPECT_EQ(std::string_view(buffer.data(), got.result.bytes), "text");
}

}  // namespace
}  // namespace weir::io::sim
