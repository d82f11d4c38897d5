#include "weir/io/net/tls_listener.h"

#include "weir/io/net/net_loop.h"

namespace weir::io::net {

class TlsListener::Handshake final : Completion, Timer {
 public:
  Handshake(TlsListener& owner, std::unique_ptr<TlsStream> stream)
      : owner_(owner), stream_(std::move(stream)) {}

  void start() {
    owner_.loop_.arm(*this, owner_.timeout_);
    if (auto now = stream_->start_handshake(*this)) on_done(*now);
  }

 private:
  void on_done(IoResult result) override {
    auto self = owner_.handshakes_.extract(this);
    disarm();
    if (!result.ok()) return;
    auto accepted = owner_.accepted_;  // the callee may close the listener
    accepted(std::move(stream_));
  }
  void on_timer() override { auto self = owner_.handshakes_.extract(this); }

  TlsListener& owner_;
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
  if (handshakes_.size() >= kHandshakesMax) return;
  Ssl ssl(SSL_new(context_.get()));
  if (!ssl) return;
  SSL_set_accept_state(ssl.get());
  auto handshake =
      std::make_unique<Handshake>(*this, std::make_unique<TlsStream>(std::move(socket), std::move(ssl)));
  Handshake* started = handshake.get();
  handshakes_.emplace(started, std::move(handshake));
  started->start();
}

}  // namespace weir::io::net
