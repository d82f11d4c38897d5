// For tests: a universe with a client's machine and a server's, both booted with two loops, and coroutines
// run in it to their end.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "weir/io/net/test_network.h"
#include "weir/io/sim/universe.h"
#include "weir/io/task.h"

namespace weir::io::sim {

using net::Accepting;
using net::Ends;
using net::long_text;
using net::read_all;
using net::read_status;
using net::read_without_a_place;
using net::turns;
using net::write_text;

class TestUniverse {
 public:
  explicit TestUniverse(uint64_t seed = 1, const Faults& faults = {})
      : universe_(Universe::create(seed, faults)),
        client_machine(universe_->add_machine("client", "10.0.0.1", 2)),
        server_machine(universe_->add_machine("server", "10.0.0.2", 2)),
        client_loops(client_machine.boot()),
        server_loops(server_machine.boot()) {}

  Universe* operator->() { return universe_.get(); }
  Universe& operator*() { return *universe_; }
  Loop& client(size_t i = 0) { return *client_loops[i]; }
  Loop& server(size_t i = 0) { return *server_loops[i]; }

  /// Until the task ended; it may take an hour of virtual time.
  void run(Task<void> task) {
    start(std::move(task));
    finish();
  }
  void start(Task<void> task) { group_.start(std::move(task)); }
  void finish() {
    EXPECT_TRUE(universe_->run_until([this] { return group_.running() == 0; }, std::chrono::hours(1)))
        << group_.running() << " tasks never ended";
  }

 private:
  TaskGroup group_;
  std::unique_ptr<Universe> universe_;

 public:
  Machine& client_machine;
  Machine& server_machine;
  std::vector<Loop*> client_loops, server_loops;
};

inline Address tcp(std::string host, uint16_t port) {
  return {Address::Kind::kTcp, std::move(host), port};
}

/// Both ends of a connection from `client` to `to`, which `server` listens at.
inline Task<Ends> connected(Loop& client, Loop& server, Address at, Address to, Cancel& cancel) {
  Accepting accepting(server, at);
  auto stream = co_await client.network().connect(to, {}, cancel);
  EXPECT_TRUE(stream) << stream.error().message;
  Ends ends;
  if (!stream) co_return ends;
  ends.client = std::move(*stream);
  ends.server = co_await accepting.next(cancel);
  co_return ends;
}
inline Task<Ends> connected(TestUniverse& universe, Cancel& cancel) {
  co_return co_await connected(universe.client(), universe.server(), tcp("0.0.0.0", 80), tcp("server", 80),
                               cancel);
}

/// Both ends, made before the test goes on.
inline Ends connect_now(TestUniverse& universe) {
  struct Into {
    static Task<void> run(TestUniverse& u, Ends* ends) {
      Cancel cancel;
      *ends = co_await connected(u, cancel);
    }
  };
  Ends ends;
  universe.run(Into::run(universe, &ends));
  return ends;
}

/// What was answered, and whether it was allowed to be.
struct Answer final : Completion {
  void on_done(IoResult r) override {
    EXPECT_FALSE(inside) << "completed from inside the call";
    ++count;
    result = r;
  }
  bool inside = false;
  int count = 0;
  IoResult result{IoStatus::kFailed, 0};
};

/// A read by hand; `answer` has the result, at once or later. True: at once.
inline bool start_read(Stream& stream, std::span<char> into, Answer& answer) {
  answer.inside = true;
  auto now = stream.start_read(into, answer);
  answer.inside = false;
  if (now) answer.on_done(*now);
  return now.has_value();
}
inline bool start_write(Stream& stream, std::string_view text, Answer& answer) {
  answer.inside = true;
  auto now = stream.start_write({&text, 1}, answer);
  answer.inside = false;
  if (now) answer.on_done(*now);
  return now.has_value();
}

}  // namespace weir::io::sim
