// Resolver: host names to addresses through getaddrinfo on a worker thread, one cache a loop. Literals and
// Unix paths never leave the loop. Every waiter of one name shares one lookup; answers live 30 s, failures 1
// s (so a name that appears is found soon, and a name that is gone does not busy the workers). Used on its
// loop.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/io/cancel.h"
#include "weir/io/loop.h"
#include "weir/io/net/socket_address.h"
#include "weir/io/task.h"

namespace weir::io::net {

class NetLoop;

class Resolver {
 public:
  static constexpr size_t kEntriesMax = 1024;
  static constexpr Duration kAnswerLife = seconds(30);
  static constexpr Duration kFailureLife = seconds(1);

  explicit Resolver(NetLoop& loop) : loop_(loop) {}

  /// At least one address, in the system's order of preference. Errors: kUpstream; kCancelled.
  Task<Result<std::vector<SocketAddress>>> resolve(const Address& address, Cancel& cancel);

  /// Blocks. The same without a cache.
  static Result<std::vector<SocketAddress>> look_up(const std::string& host);

 private:
  struct Entry {
    Result<std::vector<SocketAddress>> answer;
    MonoTime until;
    bool pending = true;
    Event answered;
  };

  void start(const std::string& host, const std::shared_ptr<Entry>& entry);
  void make_room();

  NetLoop& loop_;
  // Shared with those who wait for the entry and with the lookup, since it may be evicted meanwhile.
  std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace weir::io::net
