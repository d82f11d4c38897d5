// For tests of stages: an exchange without a server around it.
#pragma once

#include <string>
#include <string_view>

#include "weir/exchange/exchange.h"
#include "weir/io/net/test_loop.h"

namespace weir::pipeline::testing {

struct NoSource final : exchange::RequestSource {
  io::Task<Result<void>> receive(exchange::Exchange&) override {
    ++received;
    co_return result;
  }
  int received = 0;
  Result<void> result;
};

struct Asked {
  explicit Asked(io::Loop& loop, exchange::Operation operation = exchange::Operation::kChat)
      : exchange(loop, cancel, operation, source) {}
  io::Cancel cancel;
  NoSource source;
  exchange::Exchange exchange;
};

/// Runs `play` on a loop, to its end.
inline void run(io::Task<void> (*play)(io::Loop&)) {
  io::net::TestLoop t;
  t.run(play(t.loop()));
}

}  // namespace weir::pipeline::testing
