// RedisClient: one connection to one Redis or Valkey, on one loop: commands are sent together and their
// replies read in order. It connects (and signs in, and chooses the database) when it is asked and there is
// no connection; one that failed is closed and the call with it: who calls decides when to try again. One
// call at a time. A call is given up after `Options::answer`. Written on io's ports, so it runs in simulated
// worlds too.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/loop.h"
#include "weir/store/redis/redis_url.h"
#include "weir/store/redis/resp.h"

namespace weir::store::redis {

class RedisClient {
 public:
  struct Options {
    milliseconds answer = milliseconds(500);  // for a connection, and for the replies of one call
  };
  RedisClient(io::Loop& loop, RedisUrl url, Options options);

  /// `commands`: written by append_command(), so many of them. Errors: kIo: no connection, no answer, wrong
  /// user or password; an error reply of a command is no error of the call.
  io::Task<Result<std::vector<Reply>>> ask(std::string commands, size_t count, io::Cancel& cancel);
  /// Grows with each connection: what the server remembered of the last one is gone.
  uint64_t connections() const { return connections_; }

 private:
  io::Task<Result<void>> connect(io::Cancel& cancel);
  io::Task<Result<std::vector<Reply>>> exchange(std::string_view commands, size_t count, io::Cancel& cancel);
  io::Task<Result<std::vector<Reply>>> ask_within(std::string_view commands, size_t count,
                                                  io::Cancel& cancel);

  io::Loop& loop_;
  const RedisUrl url_;
  const Options options_;
  std::unique_ptr<io::Stream> stream_;  // nullptr: none
  uint64_t connections_ = 0;
};

}  // namespace weir::store::redis
