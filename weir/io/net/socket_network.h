// SocketNetwork: the Network of one real loop: resolves, connects, listens, and puts TLS around streams.
#pragma once

#include <memory>

#include "weir/base/clock.h"
#include "weir/io/net/resolver.h"
#include "weir/io/net/tls_context.h"
#include "weir/io/network.h"

namespace weir::io::net {

class NetLoop;
class SocketStream;

class SocketNetwork final : public Network {
 public:
  explicit SocketNetwork(NetLoop& loop);
  ~SocketNetwork() override;

  Task<Result<std::unique_ptr<Stream>>> connect(Address to, const ConnectOptions& options,
                                                Cancel& cancel) override;
  /// "[::]" listens on IPv4 too. A name is looked up once, here (Blocks), and its first IPv4 address is taken
  /// if it has one. Loop 0 opens a shared port first: it finds out whether somebody else listens there.
  Result<std::unique_ptr<Listener>> listen(const Address& at, const ListenOptions& options,
                                           std::function<void(std::unique_ptr<Stream>)> accepted) override;

 private:
  Task<Result<std::unique_ptr<SocketStream>>> connect_plain(const Address& to, Cancel& cancel);

  NetLoop& loop_;
  Resolver resolver_;
  TlsClients tls_clients_;
};

}  // namespace weir::io::net
