#include "weir/io/net/socket_network.h"

#include <fmt/format.h>

#include <cstring>

#include "weir/io/net/net_loop.h"
#include "weir/io/net/operation_wait.h"
#include "weir/io/net/socket_listener.h"
#include "weir/io/net/socket_stream.h"
#include "weir/io/net/tls_listener.h"
#include "weir/io/net/tls_stream.h"

namespace weir::io::net {

namespace {

Unexpected cancelled(const Address& to, const Cancel& cancel) {
  return fail_internal(ErrorCode::kCancelled,
                       fmt::format("connecting to {}: {}", to.to_string(), name(cancel.reason())));
}

}  // namespace

SocketNetwork::SocketNetwork(NetLoop& loop) : loop_(loop), resolver_(loop) {}
SocketNetwork::~SocketNetwork() = default;

Task<Result<std::unique_ptr<SocketStream>>> SocketNetwork::connect_plain(const Address& to, Cancel& cancel) {
  CO_TRY(auto addresses, co_await resolver_.resolve(to, cancel));
  std::string failures;
  for (const SocketAddress& address : addresses) {
    if (cancel.requested()) break;
    if (!failures.empty()) failures += "; ";
    auto opened = SocketStream::open(loop_.poller(), address.family(), peer_name(address.storage));
    if (!opened) {  // no IPv6 on this machine, or no descriptors left
      failures += opened.error().message;
      continue;
    }
    std::unique_ptr<SocketStream> stream = std::move(*opened);
    OperationWait attempt(*stream, cancel, [&](Completion& c) -> std::optional<IoResult> {
      stream->start_connect(address.get(), address.length, c);
      return std::nullopt;
    });
    IoResult result = co_await attempt;
    if (result.ok()) co_return stream;
    if (result.status == IoStatus::kCancelled) break;
    failures += fmt::format("{}: {}", address.to_address().to_string(), strerror(stream->last_error()));
  }
  if (cancel.requested()) co_return cancelled(to, cancel);
  Error error = internal_error(ErrorCode::kUpstream,
                               fmt::format("cannot connect to {} ({})", to.to_string(), failures));
  error.retryable = true;
  co_return Unexpected(std::move(error));
}

Task<Result<std::unique_ptr<Stream>>> SocketNetwork::connect(Address to, const ConnectOptions& options,
                                                             Cancel& cancel) {
  CO_TRY(auto plain, co_await connect_plain(to, cancel));
  if (!options.tls) co_return plain;

  TlsClientOptions tls = options.tls_options;
  if (tls.server_name.empty()) tls.server_name = to.host;
  CO_TRY(Ssl ssl, tls_clients_.make(tls));
  auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(ssl));
  OperationWait handshake(*stream, cancel, [&](Completion& c) { return stream->start_handshake(c); });
  IoResult result = co_await handshake;
  if (result.ok()) co_return stream;
  if (cancel.requested()) co_return cancelled(to, cancel);
  Error error = internal_error(
      ErrorCode::kUpstream,
      fmt::format("TLS with {} as \"{}\" failed: {}", to.to_string(), tls.server_name, stream->failure()));
  error.retryable = result.status == IoStatus::kReset;
  co_return Unexpected(std::move(error));
}

Result<std::unique_ptr<Listener>> SocketNetwork::listen(
    const Address& at, const ListenOptions& options, std::function<void(std::unique_ptr<Stream>)> accepted) {
  if (options.tls) return TlsListener::open(loop_, at, options, std::move(accepted));
  return SocketListener::open(loop_, at, options,
                              [accepted = std::move(accepted)](std::unique_ptr<SocketStream> stream) {
                                accepted(std::move(stream));
                              });
}

}  // namespace weir::io::net
