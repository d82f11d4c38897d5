// The universe as a whole: it replays, and what its Faults, partitions and deaths do to connections.
// One file: the faults are tried on the same pair of machines, one after the other.
#include "weir/io/sim/universe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "weir/io/sim/test_universe.h"

namespace weir::io::sim {
namespace {

// ---- Replay

/// Reads and writes back until the stream ends.
Task<void> echo(std::unique_ptr<Stream> stream) {
  Cancel cancel;
  std::array<char, 4096> buffer;
  for (;;) {
    IoResult got = co_await read(*stream, buffer, cancel);
    if (!got.ok()) co_return;
    std::string_view text(buffer.data(), got.bytes);
    if (!(co_await write(*stream, {&text, 1}, cancel)).ok()) co_return;
  }
}

Task<void> talk(Loop* loop, Address to, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    Cancel cancel;
    Timeout timeout(cancel, CancelReason::kTotalTimeout);
    loop->arm(timeout, seconds(2));
    auto stream = co_await loop->network().connect(to, {}, cancel);
    if (!stream) continue;
    std::string text = long_text(loop->random().next() % 20'000 + 1);
    if ((co_await write_text(**stream, text, cancel)).ok()) co_await read_all(**stream, text.size(), cancel);
    co_await sleep(*loop, milliseconds(loop->random().next() % 100), cancel);
  }
}

Faults all_faults() {
  Faults faults;
  faults.slow_delivery = faults.short_read = faults.short_write = 0.1;
  faults.refused = faults.unanswered = faults.resolver_fails = 0.02;
  faults.reset = faults.half_open = 0.005;
  faults.slow_disk = 0.1;
  return faults;
}

struct Life {
  std::string trace;
  uint64_t events = 0;
  Census end;
};

/// A few minutes of talk between two machines, with every fault, partitions, a kill and a power cut.
Life live(uint64_t seed) {
  Life run;
  Universe* universe = nullptr;
  {
    TestUniverse world(seed, all_faults());
    universe = &*world;
    size_t frames = universe->census().frames;
    universe->on_trace([&run](std::string_view line) { run.trace.append(line).append("\n"); });
    TaskGroup talkers, echoes;
    std::vector<std::unique_ptr<Listener>> listeners;
    auto serve = [&] {
      for (Loop* loop : world.server_loops)
        if (auto made = loop->network().listen(
                tcp("0.0.0.0", 80), {}, [&echoes](auto stream) { echoes.start(echo(std::move(stream))); }))
          listeners.push_back(std::move(*made));
    };
    serve();
    for (size_t i = 0; i < 6; ++i)
      talkers.start(talk(&world.client(i % 2), tcp("server", 80), 200));
    auto restart = [&](bool power) {
      if (power)
        world.server_machine.power_cut();
      else
        world.server_machine.kill();
      universe->run_for(seconds(1));
      EXPECT_EQ(echoes.running(), 0u) << "every stream of a dead process ends";
      listeners.clear();
      world.server_machine.bury();
      world.server_loops = world.server_machine.boot();
      serve();
    };
    universe->run_for(seconds(5));
    restart(false);
    universe->run_for(seconds(5));
    universe->partition(world.client_machine, world.server_machine, universe->chance().below(2) == 0);
    universe->run_for(seconds(5));
    universe->heal_all();
    universe->run_for(seconds(5));
    restart(true);
    EXPECT_TRUE(universe->run_until([&] { return talkers.running() == 0; }, std::chrono::hours(2)));
    world.server_machine.kill();
    universe->run_for(seconds(1));
    listeners.clear();
    run.events = universe->events();
    run.end = universe->census();
    run.end.frames -= frames;
    universe->on_trace(nullptr);
  }
  return run;
}

TEST(UniverseTest, OneSeedIsOneRun) {
  for (uint64_t seed : {1, 2, 3}) {
    Life first = live(seed), second = live(seed);
    EXPECT_GT(first.events, 10'000u);
    EXPECT_EQ(first.events, second.events);
    EXPECT_TRUE(first.trace == second.trace);
    for (auto what :
         {"connects", "closed", "bytes", "reset by fault", "goes silent by fault", "refused by fault",
          "unanswered by fault", "killed", "loses power", "the way is closed", "every way is open"})
      EXPECT_TRUE(first.trace.contains(what)) << what;
  }
  EXPECT_TRUE(live(1).trace != live(2).trace);
}

TEST(UniverseTest, AWorldThatEndedLeavesNothing) {
  for (uint64_t seed = 10; seed < 20; ++seed) {
    Census end = live(seed).end;
    EXPECT_EQ(end.streams, 0u);
    EXPECT_EQ(end.listeners, 0u);
    EXPECT_EQ(end.timers, 0u);
    EXPECT_EQ(end.jobs, 0u);
    EXPECT_EQ(end.frames, 0u);
    EXPECT_LE(end.largest_buffer_bytes, 64u * 1024);
  }
}

TEST(UniverseTest, EventsHappenInOrderAndTimePasses) {
  auto universe = Universe::create(1, {});
  std::string order;
  MonoTime begin = universe->now();
  universe->at(seconds(2), [&] { order += 'c'; });
  universe->at(seconds(1), [&] {
    order += 'a';
    universe->at(Duration(0), [&] { order += 'b'; });
  });
  universe->run_for(milliseconds(1500));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(universe->now() - begin, milliseconds(1500));
  EXPECT_FALSE(universe->run_until([] { return false; }, milliseconds(100)));
  EXPECT_EQ(universe->now() - begin, milliseconds(1600));
  EXPECT_TRUE(universe->step());
  EXPECT_EQ(universe->now() - begin, seconds(2));
  EXPECT_FALSE(universe->step());
  EXPECT_EQ(universe->events(), 3u);
}

// Streams, jobs and attempts that nobody waits for any more go with the universe.
TEST(UniverseTest, MayEndAtAnyMoment) {
  for (uint64_t seed = 1; seed < 30; ++seed) {
    size_t frames = 0;
    {
      TestUniverse world(seed, all_faults());
      frames = world->census().frames;
      auto listener = world.server().network().listen(tcp("0.0.0.0", 80), {}, [&world](auto stream) {
        world.server().post([kept = std::move(stream)] {});
        world.server().offload([] {}, [] {});
      });
      struct Connecting {
        static Task<void> run(Loop& loop) {
          Cancel cancel;
          auto stream = co_await loop.network().connect(tcp("server", 80), {}, cancel);
          if (stream) loop.post([kept = std::move(*stream)] {});
        }
      };
      TaskGroup connecting;
      for (int i = 0; i < 10; ++i)
        connecting.start(Connecting::run(world.client()));
      world->run_for(std::chrono::microseconds(seed * 20));
      // The waits end before their loop: their process is killed and told.
      world.client_machine.kill();
      EXPECT_TRUE(world->run_until([&] { return connecting.running() == 0; }, seconds(1)));
    }
    EXPECT_EQ(Universe::create(1, {})->census().frames, frames);
  }
}

TEST(UniverseTest, TellsItsStory) {
  TestUniverse world;
  std::vector<std::string> lines;
  world->on_trace([&](std::string_view line) { lines.emplace_back(line); });
  EXPECT_TRUE(world->tracing());
  world->run_for(milliseconds(1234));
  world->trace("oracle", "all is well");
  EXPECT_EQ(lines.at(0), "1.234000 oracle  all is well");
  Ends ends = connect_now(world);
  Answer wrote;
  start_write(*ends.client, std::string(612, 'x'), wrote);
  world->run_for(seconds(1));
  EXPECT_THAT(lines.back(), ::testing::EndsWith("client > server #1  612 bytes"));
  world->on_trace(nullptr);
  EXPECT_FALSE(world->tracing());
}

// ---- Faults of connections

/// How many of `count` attempts failed with `what`.
int failed_connects(TestUniverse& world, int count, std::string_view what) {
  struct Try {
    static Task<void> run(TestUniverse& w, int n, std::string_view text, int* failures) {
      for (int i = 0; i < n; ++i) {
        Cancel cancel;
        Timeout timeout(cancel, CancelReason::kConnectTimeout);
        w.client().arm(timeout, seconds(100));  // names are remembered for half a minute
        auto stream = co_await w.client().network().connect(tcp("server", 80), {}, cancel);
        if (!stream) *failures += stream.error().message.find(text) != std::string::npos;
        co_await sleep(w.client(), seconds(31), cancel);
      }
    }
  };
  int failures = 0;
  auto listener = world.server().network().listen(tcp("0.0.0.0", 80), {}, [](auto) {});
  TaskGroup group;
  group.start(Try::run(world, count, what, &failures));
  EXPECT_TRUE(world->run_until([&] { return group.running() == 0; }, std::chrono::hours(1000)));
  return failures;
}

TEST(FaultsTest, ConnectionsFailAtTheStatedChance) {
  struct {
    double Faults::* chance;
    std::string_view message;
  } cases[] = {{&Faults::refused, "Connection refused"},
               {&Faults::unanswered, "connect_timeout"},
               {&Faults::resolver_fails, "Temporary failure in name resolution"}};
  for (const auto& one : cases) {
    Faults faults;
    faults.*one.chance = 0.3;
    TestUniverse world(7, faults);
    int failures = failed_connects(world, 300, one.message);
    EXPECT_GT(failures, 60) << one.message;
    EXPECT_LT(failures, 120) << one.message;
    world->faults() = {};
    EXPECT_EQ(failed_connects(world, 20, one.message), 0);
  }
}

/// One message each over many connections, with one fault on: what the reader and the writer saw.
struct Seen {
  int arrived = 0, reader_reset = 0, writer_reset = 0, silent = 0;
};
Seen messages(const Faults& faults, int count) {
  Seen seen;
  TestUniverse world(3);
  for (int i = 0; i < count; ++i) {
    world->faults() = {};
    Ends ends = connect_now(world);
    world->faults() = faults;
    std::array<char, 10> into_server, into_client;
    Answer wrote, server, client;
    start_read(*ends.server, into_server, server);
    start_read(*ends.client, into_client, client);
    start_write(*ends.client, "message", wrote);
    world->run_for(seconds(1000));
    seen.arrived += server.count && server.result.ok();
    seen.reader_reset += server.count && server.result.status == IoStatus::kReset;
    seen.writer_reset += client.count && client.result.status == IoStatus::kReset;
    seen.silent += server.count == 0 && client.count == 0;
  }
  return seen;
}

TEST(FaultsTest, AResetIsHeardByBothEnds) {
  Faults faults;
  faults.reset = 0.3;
  Seen seen = messages(faults, 400);
  EXPECT_GT(seen.reader_reset, 80);
  EXPECT_LT(seen.reader_reset, 160);
  EXPECT_EQ(seen.writer_reset, seen.reader_reset);
  EXPECT_EQ(seen.arrived, 400 - seen.reader_reset);
}

TEST(FaultsTest, AHalfOpenConnectionIsHeardByNobody) {
  Faults faults;
  faults.half_open = 0.3;
  Seen seen = messages(faults, 400);
  EXPECT_GT(seen.silent, 80);
  EXPECT_LT(seen.silent, 160);
  EXPECT_EQ(seen.arrived, 400 - seen.silent);
}

TEST(FaultsTest, ASilentDirectionHoldsAWindowAndTheOtherGoesOn) {
  TestUniverse world;
  Ends ends = connect_now(world);
  world->faults().half_open = 1;
  Answer wrote, read_there, read_here, answered;
  std::string text(1'000'000, 'x');
  start_write(*ends.client, text, wrote);
  std::array<char, 10> there, here;
  start_read(*ends.server, there, read_there);
  world->run_for(seconds(10));
  EXPECT_EQ(wrote.count, 0);
  EXPECT_EQ(read_there.count, 0);
  EXPECT_EQ(world->census().largest_buffer_bytes, 64u * 1024);
  world->faults().half_open = 0;
  start_read(*ends.client, here, read_here);
  start_write(*ends.server, "still here", answered);
  world->run_for(seconds(10));
  EXPECT_EQ(read_here.result.bytes, 10u);
  EXPECT_EQ(wrote.count, 0);
}

/// Sizes of the reads of one write of `bytes`.
std::vector<size_t> reads_of(const Faults& faults, size_t bytes, Duration* took = nullptr,
                             uint64_t seed = 5) {
  TestUniverse world(seed);
  Ends ends = connect_now(world);
  world->faults() = faults;
  std::string text(bytes, 'x');
  Answer wrote;
  MonoTime begin = world->now();
  start_write(*ends.client, text, wrote);
  std::vector<size_t> sizes;
  std::vector<char> buffer(bytes);
  for (size_t got = 0; got < bytes; got += sizes.back()) {
    Answer read;
    start_read(*ends.server, buffer, read);
    EXPECT_TRUE(world->run_until([&] { return read.count == 1; }, seconds(100)));
    sizes.push_back(read.result.bytes);
  }
  if (took) *took = world->now() - begin;
  return sizes;
}

TEST(FaultsTest, ReadsAndWritesComeInPieces) {
  EXPECT_EQ(reads_of({}, 1000).size(), 1u);
  Faults faults;
  faults.short_read = 1;
  EXPECT_GT(reads_of(faults, 1000).size(), 3u);
  faults = {};
  faults.short_write = 1;
  faults.latency_max = seconds(1);
  size_t pieces_max = 0;
  for (uint64_t seed = 1; seed < 20; ++seed)
    pieces_max = std::max(pieces_max, reads_of(faults, 1000, nullptr, seed).size());
  EXPECT_GT(pieces_max, 1u);
  EXPECT_LE(pieces_max, 4u);
}

TEST(FaultsTest, DeliveriesAreSlowAndInOrder) {
  Duration calm, slow;
  reads_of({}, 10, &calm);
  EXPECT_LT(calm, milliseconds(1));
  EXPECT_GE(calm, std::chrono::microseconds(50));
  Faults faults;
  faults.slow_delivery = 1;
  faults.slow_delivery_max = seconds(50);
  reads_of(faults, 10, &slow);
  EXPECT_GT(slow, milliseconds(100));
}

// ---- Partitions and slow readers

TEST(PartitionTest, BytesWaitUntilItHeals) {
  for (bool one_way : {false, true}) {
    TestUniverse world;
    Ends ends = connect_now(world);
    world->partition(world.client_machine, world.server_machine, one_way);
    std::array<char, 10> there, here;
    Answer wrote, wrote_back, read_there, read_here;
    start_read(*ends.server, there, read_there);
    start_read(*ends.client, here, read_here);
    start_write(*ends.client, "there", wrote);
    start_write(*ends.server, "back", wrote_back);
    world->run_for(seconds(100));
    EXPECT_EQ(wrote.count, 1) << "the window takes it";
    EXPECT_EQ(read_there.count, 0);
    EXPECT_EQ(read_here.count, one_way ? 1 : 0);
    world->heal(world.server_machine, world.client_machine);
    world->run_for(seconds(1));
    EXPECT_EQ(read_there.result.bytes, 5u);
    EXPECT_EQ(read_here.result.bytes, 4u);
  }
}

TEST(PartitionTest, AWriterHearsOfNoRoomWhileTheWayBackIsClosed) {
  TestUniverse world;
  Ends ends = connect_now(world);
  world->partition(world.server_machine, world.client_machine, true);
  std::string text(100'000, 'x');
  Answer wrote, read, more;
  start_write(*ends.client, text, wrote);
  std::vector<char> buffer(100'000);
  world->run_for(seconds(1));
  start_read(*ends.server, buffer, read);
  world->run_for(seconds(10));
  EXPECT_EQ(read.result.bytes, 64u * 1024);
  EXPECT_EQ(wrote.count, 0);
  world->heal_all();
  start_read(*ends.server, buffer, more);
  world->run_for(seconds(10));
  EXPECT_EQ(wrote.result.bytes, 100'000u);
  EXPECT_GT(more.result.bytes, 0u);
}

TEST(PartitionTest, ConnectionsAndTheirEndsDoNotPass) {
  TestUniverse world;
  Ends ends = connect_now(world);
  world->partition(world.client_machine, world.server_machine, false);
  std::array<char, 10> buffer;
  Answer read;
  start_read(*ends.server, buffer, read);
  ends.client.reset();
  EXPECT_EQ(failed_connects(world, 2, "connect_timeout"), 2);
  EXPECT_EQ(read.count, 0);
  world->heal_all();
  world->run_for(seconds(1));
  EXPECT_EQ(read.result.status, IoStatus::kEof);
  EXPECT_EQ(failed_connects(world, 2, "connect_timeout"), 0);
}

TEST(PartitionTest, AnAnswerThatCannotComeBackIsLost) {
  TestUniverse world;
  world->partition(world.server_machine, world.client_machine, true);
  EXPECT_EQ(failed_connects(world, 2, "connect_timeout"), 2);
}

TEST(PartitionTest, HealingOneWayLeavesTheOthersClosed) {
  TestUniverse world;
  Machine& third = world->add_machine("third", "10.0.0.3", 1);
  third.boot();
  Ends ends = connect_now(world);
  world->partition(world.client_machine, world.server_machine, false);
  world->partition(world.client_machine, third, false);
  std::array<char, 10> buffer;
  Answer wrote, got;
  start_read(*ends.server, buffer, got);
  start_write(*ends.client, "late", wrote);
  world->run_for(seconds(1));
  world->heal(third, world.client_machine);
  world->run_for(seconds(1));
  EXPECT_EQ(got.count, 0);
  world->heal(world.client_machine, world.server_machine);
  world->run_for(seconds(1));
  EXPECT_EQ(got.result.bytes, 4u);
}

// A reset may overtake what was sent before it, and what arrived may be lost with it.
TEST(FaultsTest, AResetLosesSomeBytes) {
  int kept = 0, lost = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    TestUniverse world(seed);
    Ends ends = connect_now(world);
    Answer unread, sent, got, last;
    start_write(*ends.client, "unread", unread);
    world->run_for(seconds(1));
    start_write(*ends.server, "sent", sent);
    ends.server.reset();
    std::array<char, 10> buffer;
    world->run_for(seconds(1));
    start_read(*ends.client, buffer, got);
    world->run_for(seconds(1));
    if (got.result.ok()) {
      EXPECT_EQ(std::string_view(buffer.data(), got.result.bytes), "sent");
      start_read(*ends.client, buffer, last);
      world->run_for(seconds(1));
      EXPECT_EQ(last.result.status, IoStatus::kReset);
      ++kept;
    } else {
      EXPECT_EQ(got.result.status, IoStatus::kReset);
      ++lost;
    }
  }
  EXPECT_GT(kept, 10);
  EXPECT_GT(lost, 60);
}

TEST(ThrottleTest, AReaderTakesItsTime) {
  TestUniverse world;
  Ends ends = connect_now(world);
  world->throttle(world.server_machine, 10'000);
  struct Reading {
    static Task<void> run(Stream& stream, size_t bytes, std::string* got) {
      Cancel cancel;
      *got = co_await read_all(stream, bytes, cancel);
    }
  };
  std::string text = long_text(200'000), got;
  Answer wrote;
  start_write(*ends.client, text, wrote);
  MonoTime begin = world->now();
  world->at(seconds(10), [&] { EXPECT_EQ(wrote.count, 0) << "the writer waits for the reader"; });
  world.run(Reading::run(*ends.server, text.size(), &got));
  EXPECT_TRUE(got == text);
  EXPECT_GE(world->now() - begin, seconds(19));
  EXPECT_LE(world->now() - begin, seconds(21));
  EXPECT_EQ(wrote.result.bytes, text.size());
}

// ---- Deaths

TEST(DeathTest, AKilledProcessReachesNothingAndItsLoopsRunOn) {
  TestUniverse world;
  Ends ends = connect_now(world);
  auto listener = world.server().network().listen(tcp("0.0.0.0", 81), {}, [](auto) {});
  std::array<char, 10> buffer;
  Answer pending, later, wrote;
  start_read(*ends.server, buffer, pending);
  world.server_machine.kill();
  EXPECT_EQ(pending.count, 0) << "from the loop, not from inside the call";
  EXPECT_FALSE(world.server_machine.running());
  EXPECT_EQ(world->census().streams, 1u) << "the client's";
  EXPECT_EQ(world->census().listeners, 0u);
  bool ran = false;
  world.server().post([&] { ran = true; });
  world->run_for(seconds(1));
  EXPECT_TRUE(ran);
  EXPECT_EQ(pending.result.status, IoStatus::kReset);
  start_read(*ends.server, buffer, later);
  start_write(*ends.server, "from the grave", wrote);
  world->run_for(seconds(1));
  EXPECT_EQ(later.result.status, IoStatus::kReset);
  EXPECT_EQ(wrote.result.status, IoStatus::kReset);
  EXPECT_FALSE(world.server().network().listen(tcp("0.0.0.0", 82), {}, [](auto) {}));
  EXPECT_FALSE(world.server().disk().write_file("/file", "late", 0600));
  struct Connecting {
    static Task<void> run(Loop& loop, Result<std::unique_ptr<Stream>>* into) {
      Cancel cancel;
      *into = co_await loop.network().connect(tcp("client", 80), {}, cancel);
    }
  };
  Result<std::unique_ptr<Stream>> result;
  world.run(Connecting::run(world.server(), &result));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUpstream);
  ends.server.reset();
  listener->reset();
  world.server_machine.bury();
}

TEST(DeathTest, AnAttemptUnderWayEndsWithItsProcess) {
  TestUniverse world;
  world->add_machine("off", "10.0.0.9", 1);
  struct Connecting {
    static Task<void> run(Loop& loop, ErrorCode* code) {
      Cancel cancel;
      auto stream = co_await loop.network().connect(tcp("off", 80), {}, cancel);
      EXPECT_FALSE(stream);
      if (!stream) *code = stream.error().code;
    }
  };
  ErrorCode code = ErrorCode::kInternal;
  world.start(Connecting::run(world.client(), &code));
  world->run_for(seconds(1));
  world.client_machine.kill();
  world->run_for(seconds(1));
  EXPECT_EQ(code, ErrorCode::kUpstream);
}

/// What the client reads after the server's process died, and after it wrote once more.
struct Heard {
  int ended = 0, reset = 0, nothing = 0, reset_by_writing = 0;
};
Heard deaths(int count, bool power) {
  Heard heard;
  for (int seed = 1; seed <= count; ++seed) {
    TestUniverse world(static_cast<uint64_t>(seed));
    Ends ends = connect_now(world);
    std::array<char, 10> buffer;
    Answer read, wrote;
    start_read(*ends.client, buffer, read);
    if (power)
      world.server_machine.power_cut();
    else
      world.server_machine.kill();
    world->run_for(seconds(100));
    ends.server.reset();
    world.server_machine.bury();
    if (read.count == 0) {
      ++heard.nothing;
      start_write(*ends.client, "hello?", wrote);
      world->run_for(seconds(100));
      EXPECT_EQ(read.count, power ? 0 : 1) << "a machine that is off says nothing";
      world.server_loops = world.server_machine.boot();
      world->run_for(seconds(100));
      heard.reset_by_writing += read.count == 1 && read.result.status == IoStatus::kReset;
    } else {
      heard.ended += read.result.status == IoStatus::kEof;
      heard.reset += read.result.status == IoStatus::kReset;
    }
  }
  return heard;
}

TEST(DeathTest, PeersOfAKilledProcessHearAnEndAResetOrNothingUntilTheyWrite) {
  Heard heard = deaths(400, false);
  EXPECT_EQ(heard.ended + heard.reset + heard.nothing, 400);
  EXPECT_GT(heard.ended, 100);
  EXPECT_GT(heard.reset, 100);
  EXPECT_GT(heard.nothing, 20);
  EXPECT_LT(heard.nothing, 80);
  EXPECT_EQ(heard.reset_by_writing, heard.nothing);
}

TEST(DeathTest, PeersOfAMachineThatLostPowerHearNothingUntilItIsBack) {
  Heard heard = deaths(20, true);
  EXPECT_EQ(heard.nothing, 20);
  EXPECT_EQ(heard.reset_by_writing, 20);
}

TEST(DeathTest, TheNextProcessListensWhereTheLastOneDid) {
  TestUniverse world;
  Address unix_socket{Address::Kind::kUnix, "/run/weir.sock", 0};
  auto old_port = world.server().network().listen(tcp("0.0.0.0", 80), {}, [](auto) {});
  auto old_socket = world.server().network().listen(unix_socket, {}, [](auto) {});
  world.server_machine.kill();
  world.server_loops = world.server_machine.boot();
  auto port = world.server().network().listen(tcp("0.0.0.0", 80), {}, [](auto) {});
  EXPECT_TRUE(port);
  EXPECT_TRUE(world.server().network().listen(unix_socket, {}, [](auto) {}));
  old_port->reset();  // of the dead: closes nothing of the living
  old_socket->reset();
  EXPECT_EQ(world->census().listeners, 1u);
  world.server_machine.bury();
}

TEST(DeathTest, FilesOutliveTheProcess) {
  TestUniverse world;
  EXPECT_TRUE(world.server().disk().write_file("/config", "old", 0600));
  world.server_machine.kill();
  EXPECT_FALSE(world.server().disk().write_file("/config", "new", 0600));
  EXPECT_EQ(world.server_machine.disk().read_file("/config", 100).value(), "old");
  world.server_loops = world.server_machine.boot();
  EXPECT_EQ(world.server().disk().read_file("/config", 100).value(), "old");
  world.server_machine.power_cut();
  EXPECT_EQ(world.server_machine.disk().read_file("/config", 100).value(), "old") << "it was synced";
}

// Killed at each change of a write in turn, by the disk's own hook: the old file or the new one, whole.
TEST(DeathTest, AProcessMayDieInTheMiddleOfADiskOperation) {
  bool finished = false;
  for (int change = 1; !finished; ++change) {
    TestUniverse world;
    ASSERT_TRUE(world.server().disk().write_file("/config", "old", 0600));
    int left = change;
    world.server_machine.on_disk_change([&] {
      if (--left == 0) world.server_machine.kill();
    });
    bool done = false;
    Result<void> written;
    world.server().offload([&] { written = world.server().disk().write_file("/config", "new", 0600); },
                           [&] { done = true; });
    world->run_for(seconds(1));
    EXPECT_TRUE(done);
    finished = left > 0;
    EXPECT_EQ(written.has_value(), finished) << "at change " << change;
    std::string file = world.server_machine.disk().read_file("/config", 100).value();
    EXPECT_TRUE(file == "old" || file == "new") << file;
    if (change == 1) EXPECT_EQ(file, "old");
    if (finished) EXPECT_EQ(file, "new");
  }
}

TEST(DeathTest, WorkOfADeadProcessStillComesBack) {
  TestUniverse world;
  bool worked = false, done = false;
  world.server().offload([&] { worked = true; }, [&] { done = true; });
  world.server_machine.kill();
  world->run_for(seconds(1));
  EXPECT_TRUE(worked);
  EXPECT_TRUE(done) << "a coroutine's frame waits for it";
}

}  // namespace
}  // namespace weir::io::sim
