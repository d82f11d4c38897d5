#include "weir/io/net/socket_network.h"

#include <fmt/format.h>

#include <cstring>

#include "weir/io/net/net_loop.h"
#include "weir/io/net/socket_listener.h"
#include "weir/io/net/socket_stream.h"

namespace weir::io::net {
namespace {

// co_await: one connect attempt.
class ConnectWait final : Completion, CancelNode {
 public:
  ConnectWait(SocketStream& stream, const SocketAddress& to, Cancel& cancel)
      : stream_(stream), to_(to), cancel_(cancel) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    cancel_.add(*this);
    stream_.start_connect(to_.get(), to_.length, *this);
  }
  IoResult await_resume() const { return result_; }

 private:
  void on_done(IoResult result) override {
    unlink();
    result_ = result;
    waiter_.resume();
  }
  void on_cancel(CancelReason) override { stream_.abort(); }

  SocketStream& stream_;
  const SocketAddress& to_;
  Cancel& cancel_;
  std::coroutine_handle<> waiter_;
  IoResult result_;
};

}  // namespace

SocketNetwork::SocketNetwork(NetLoop& loop) : loop_(loop), resolver_(loop) {}
SocketNetwork::~SocketNetwork() = default;

Task<Result<std::unique_ptr<SocketStream>>> SocketNetwork::connect_plain(const Address& to, Cancel& cancel) {
  CO_TRY(auto addresses, co_await resolver_.resolve(to, cancel));
  std::string failures;
  for (const SocketAddress& address : addresses) {
    if (cancel.requested()) break;
    CO_TRY(auto stream, SocketStream::open(loop_.io(), address.family(), peer_name(address.storage)));
    ConnectWait attempt(*stream, address, cancel);
    IoResult result = co_await attempt;
    if (result.ok()) co_return stream;
    if (result.status == IoStatus::kCancelled) break;
    if (!failures.empty()) failures += "; ";
    failures += fmt::format("{}: {}", address.to_address().to_string(), strerror(stream->last_error()));
  }
  if (cancel.requested())
    co_return fail_internal(ErrorCode::kCancelled,
                            fmt::format("connecting to {}: {}", to.to_string(), name(cancel.reason())));
  Error error = internal_error(ErrorCode::kUpstream,
                               fmt::format("cannot connect to {} ({})", to.to_string(), failures));
  error.retryable = true;
  co_return Unexpected(std::move(error));
}

Task<Result<std::unique_ptr<Stream>>> SocketNetwork::connect(Address to, const ConnectOptions& options,
                                                             Cancel& cancel) {
  CO_TRY(auto plain, co_await connect_plain(to, cancel));
  if (options.tls) co_return fail_internal(ErrorCode::kUpstream, "TLS is not there yet");
  co_return plain;
}

Result<std::unique_ptr<Listener>> SocketNetwork::listen(
    const Address& at, const ListenOptions& options, std::function<void(std::unique_ptr<Stream>)> accepted) {
  if (options.tls) return fail_internal(ErrorCode::kIo, "TLS is not there yet");
  return SocketListener::open(loop_, at, options,
                              [accepted = std::move(accepted)](std::unique_ptr<SocketStream> stream) {
                                accepted(std::move(stream));
                              });
}

}  // namespace weir::io::net
