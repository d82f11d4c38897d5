// SocketListener: an open port or Unix socket and its accept loop. Takes connections in batches and keeps
// going when the process is out of descriptors (it tries again after 100 ms). Used on its loop.
#pragma once

#include <functional>
#include <memory>

#include "weir/base/clock.h"
#include "weir/io/net/socket_address.h"
#include "weir/io/net/socket_stream.h"
#include "weir/io/network.h"

namespace weir::io::net {

class NetLoop;

class SocketListener final : public Listener {
 public:
  using Accepted = std::function<void(std::unique_ptr<SocketStream>)>;

  /// As Network::listen(), before TLS.
  static Result<std::unique_ptr<Listener>> open(NetLoop& loop, const Address& at,
                                                const Network::ListenOptions& options, Accepted accepted);
  ~SocketListener() override;
  Address local() const override;

 private:
  struct State;
  explicit SocketListener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weir::io::net
