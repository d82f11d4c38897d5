// For tests: listeners that can be awaited, connected pairs of streams, whole reads and writes.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::io::net {

/// Listens and hands out what it accepted, in order.
class Accepting {
 public:
  Accepting(Loop& loop, const Address& at, const Network::ListenOptions& options = {}) {
    auto made = loop.network().listen(at, options, [this](std::unique_ptr<Stream> stream) {
      accepted_.push_back(std::move(stream));
      event_.notify();
    });
    EXPECT_TRUE(made) << made.error().message;
    if (made) listener_ = std::move(*made);
  }
  Address local() const { return listener_->local(); }
  /// Null when cancelled.
  Task<std::unique_ptr<Stream>> next(Cancel& cancel) {
    while (accepted_.empty())
      if (!co_await event_.wait(cancel)) co_return nullptr;
    std::unique_ptr<Stream> first = std::move(accepted_.front());
    accepted_.erase(accepted_.begin());
    co_return first;
  }

 private:
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Stream>> accepted_;
  Event event_;
};

struct Ends {
  std::unique_ptr<Stream> client, server;
};

/// Both ends of one connection, over TCP, a Unix socket or TLS.
inline Task<Ends> connected(Loop& loop, const Address& at, Cancel& cancel,
                            const Network::ListenOptions& listen = {}, const ConnectOptions& connect = {}) {
  Accepting accepting(loop, at, listen);
  auto client = co_await loop.network().connect(accepting.local(), connect, cancel);
  EXPECT_TRUE(client) << client.error().message;
  Ends ends;
  if (!client) co_return ends;
  ends.client = std::move(*client);
  ends.server = co_await accepting.next(cancel);
  co_return ends;
}

/// Reads `bytes` bytes, or fewer when the stream ends before.
inline Task<std::string> read_all(Stream& stream, size_t bytes, Cancel& cancel) {
  std::string all;
  std::vector<char> buffer(16 * 1024);
  while (all.size() < bytes) {
    IoResult r = co_await read(stream, buffer, cancel);
    if (!r.ok()) break;
    all.append(buffer.data(), r.bytes);
  }
  co_return all;
}

inline Task<IoResult> write_text(Stream& stream, std::string_view text, Cancel& cancel) {
  co_return co_await write(stream, {&text, 1}, cancel);
}

/// Has a place for bytes only when it is asked for one, another each time.
struct LatePlace final : Completion {
  std::span<char> read_into() override {
    place = std::make_unique<std::array<char, 64>>();
    return *place;
  }
  void on_done(IoResult r) override {
    result = r;
    done.notify();
  }
  std::unique_ptr<std::array<char, 64>> place;
  std::optional<IoResult> result;
  Event done;
};

/// Reads "here" from `to`, which `from` writes once the read waits, without a place for it until then.
inline Task<void> read_without_a_place(Stream& from, Stream& to, Cancel& cancel) {
  LatePlace late;
  EXPECT_FALSE(to.start_read({}, late));
  co_await write_text(from, "here", cancel);
  while (!late.result)
    if (!co_await late.done.wait(cancel)) co_return;
  EXPECT_TRUE(late.result->ok());
  EXPECT_EQ(std::string_view(late.place->data(), late.result->bytes),
            std::string_view("here").substr(0, late.result->bytes));
}

/// The result of a read whose bytes do not matter.
inline Task<IoStatus> read_status(Stream& stream, Cancel& cancel) {
  std::vector<char> buffer(1024);
  co_return (co_await read(stream, buffer, cancel)).status;
}

/// Lets the loop come round `n` times.
inline Task<void> turns(Loop& loop, int n) {
  Cancel never;
  Event event;
  for (; n > 0; --n) {
    loop.post([&event] { event.notify(); });
    co_await event.wait(never);
  }
}

/// Text that is different everywhere.
inline std::string long_text(size_t bytes) {
  std::string text(bytes, 0);
  uint64_t state = 1;
  for (char& c : text) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return text;
}

}  // namespace weir::io::net
