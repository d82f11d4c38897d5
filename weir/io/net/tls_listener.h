// TlsListener: a SocketListener whose connections are handed on after the TLS handshake. Handshakes under way
// are bounded in time and number; those that fail are dropped without a word. Beyond the number the oldest
// goes: an honest client is done within a round trip or two, one that holds its place waits for the time
// limit, and refusing newcomers instead would let a few thousand silent sockets lock everybody out. Used on
// its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "weir/io/net/socket_listener.h"
#include "weir/io/net/tls_stream.h"

namespace weir::io::net {

class TlsListener final : public Listener {
 public:
  static constexpr size_t kHandshakesMax = 4096;  // about 40 KB each

  /// As Network::listen(); Requires: options.tls. Errors: kConfig for the certificate or key; kIo.
  static Result<std::unique_ptr<Listener>> open(NetLoop& loop, const Address& at,
                                                const Network::ListenOptions& options,
                                                std::function<void(std::unique_ptr<Stream>)> accepted);
  ~TlsListener() override;
  Address local() const override { return plain_->local(); }

 private:
  class Handshake;
  TlsListener(NetLoop& loop, SslContext context, Duration timeout,
              std::function<void(std::unique_ptr<Stream>)> accepted);
  void start(std::unique_ptr<SocketStream> socket);

  NetLoop& loop_;
  SslContext context_;
  Duration timeout_;
  std::function<void(std::unique_ptr<Stream>)> accepted_;
  std::map<uint64_t, std::unique_ptr<Handshake>> handshakes_;  // by number, so the oldest is the first
  uint64_t next_number_ = 0;
  std::unique_ptr<Listener> plain_;
};

}  // namespace weir::io::net
