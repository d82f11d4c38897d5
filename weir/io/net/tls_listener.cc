#include "weir/io/net/tls_listener.h"

#include "weir/io/net/net_loop.h"

namespace weir::io::net {

class TlsListener::Handshake final : Completion, Timer {
 public:
  Handshake(TlsListener& owner, uint64_t number, std::unique_ptr<TlsStream> stream)
      : owner_(owner), number_(number), stream_(std::move(stream)) {}

  void start() {
    owner_.loop_.arm(*this, owner_.timeout_);
    if (auto now = stream_->start_handshake(*this)) on_done(*now);
  }

 private:
  void on_done(IoResult result) override {
    auto self = owner_.handshakes_.extract(number_);
    disarm();
    if (!result.ok()) return;
    auto accepted = owner_.accepted_;  // the callee may close the listener
    accepted(std::move(stream_));
  }
  void on_timer() override { auto self = owner_.handshakes_.extract(number_); }

  TlsListener& owner_;
  const uint64_t number_;
  std::unique_ptr<TlsStream> stream_;
};

TlsListener::TlsListener(NetLoop& loop, SslContext context, Duration timeout,
                         std::function<void(std::unique_ptr<Stream>)> accepted)
    : loop_(loop), context_(std::move(context)), timeout_(timeout), accepted_(std::move(accepted)) {}

TlsListener::~TlsListener() = default;

Result<std::unique_ptr<Listener>> TlsListener::open(NetLoop& loop, const Address& at,
                                                    const Network::ListenOptions& options,
                                                    std::function<void(std::unique_ptr<Stream>)> accepted) {
  TRY(SslContext context, make_server_context(*options.tls));
  std::unique_ptr<TlsListener> listener(
      new TlsListener(loop, std::move(context), options.handshake_timeout, std::move(accepted)));
  TRY(listener->plain_,
      SocketListener::open(loop, at, options, [owner = listener.get()](std::unique_ptr<SocketStream> socket) {
        owner->start(std::move(socket));
      }));
  return listener;
}

void TlsListener::start(std::unique_ptr<SocketStream> socket) {
  if (handshakes_.size() >= kHandshakesMax) handshakes_.erase(handshakes_.begin());
  Ssl ssl(SSL_new(context_.get()));
  if (!ssl) return;
  SSL_set_accept_state(ssl.get());
  uint64_t number = next_number_++;
  auto stream = std::make_unique<TlsStream>(std::move(socket), std::move(ssl));
  auto at = handshakes_.emplace_hint(handshakes_.end(), number,
                                     std::make_unique<Handshake>(*this, number, std::move(stream)));
  at->second->start();
}

}  // namespace weir::io::net
