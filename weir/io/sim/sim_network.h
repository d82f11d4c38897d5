// SimNetwork: the Network of one simulated loop. TLS is a flag: its options are taken as right, but both
// sides must agree on having it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "weir/io/network.h"

namespace weir::io::sim {

class SimLoop;
class SimNet;

class SimNetwork final : public Network {
 public:
  SimNetwork(SimLoop& loop, SimNet& net) : loop_(loop), net_(net) {}

  Task<Result<std::unique_ptr<Stream>>> connect(Address to, const ConnectOptions& options,
                                                Cancel& cancel) override;
  Result<std::unique_ptr<Listener>> listen(const Address& at, const ListenOptions& options,
                                           std::function<void(std::unique_ptr<Stream>)> accepted) override;

  /// Names looked up in the last half minute.
  bool knows(const std::string& host) const;
  void remember(const std::string& host);

 private:
  SimLoop& loop_;
  SimNet& net_;
  std::map<std::string, MonoTime, std::less<>> known_;  // until when
};

}  // namespace weir::io::sim
