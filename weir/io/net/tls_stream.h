// TlsStream: TLS over a SocketStream, as a Stream. OpenSSL reads and writes the socket directly through a BIO
// of ours that never waits, so there is no second copy of the ciphertext; when it would have to wait, the
// operation waits for the socket and is tried again. An end without close_notify is kReset: somebody may have
// cut the stream short.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/io/net/socket_stream.h"
#include "weir/io/net/tls_context.h"

namespace weir::io::net {

class TlsStream final : public Stream {
 public:
  /// `ssl` knows already which side it is. start_handshake() comes first.
  TlsStream(std::unique_ptr<SocketStream> socket, Ssl ssl);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// As a read or write. What went wrong is in failure().
  std::optional<IoResult> start_handshake(Completion& completion);
  const std::string& failure() const { return failure_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

  std::optional<IoResult> start_read(std::span<char> into, Completion& completion) override;
  std::optional<IoResult> start_write(std::span<const std::string_view> pieces,
                                      Completion& completion) override;
  void abort() override {
    aborted_ = true;
    socket_->abort();
  }
  std::string_view peer() const override { return socket_->peer(); }

 private:
  enum class Want : uint8_t { kNothing, kReadable, kWritable };
  struct SocketWait final : Completion {
    SocketWait(TlsStream& s, Want w) : stream(s), what(w) {}
    void on_done(IoResult result) override { stream.ready(*this, result); }
    TlsStream& stream;
    Want what;
    bool waiting = false;
  };
  // One outstanding operation: who is told, and what it waits for.
  struct Operation {
    Completion* completion = nullptr;
    Want want = Want::kNothing;
    std::optional<IoResult> (TlsStream::*step)() = nullptr;
  };
  struct Bio;

  std::optional<IoResult> step_handshake();
  std::optional<IoResult> step_read();
  std::optional<IoResult> step_write();
  std::optional<IoResult> outcome(int code, Operation& operation);
  bool encrypt(std::string_view& bytes, std::optional<IoResult>& result);
  void wait(Operation& operation);
  void ready(SocketWait& wait, IoResult result);

  std::unique_ptr<SocketStream> socket_;
  Ssl ssl_;
  std::string failure_;
  IoStatus socket_status_ = IoStatus::kOk;  // why the BIO failed last
  bool socket_ended_ = false;
  bool established_ = false;
  bool aborted_ = false;
  bool broken_ = false;  // no alert can be sent any more
  bool* gone_ = nullptr;
  int reads_at_once_ = 0;
  int socket_reads_ = 0;  // within this step
  SocketWait readable_{*this, Want::kReadable};
  SocketWait writable_{*this, Want::kWritable};
  Operation reading_;  // the read or the handshake
  Operation writing_;
  std::span<char> into_;
  std::vector<std::string_view> unsent_;  // of the write that waits, after staged_
  std::string staged_;                    // small pieces gathered into one record; the view of unsent_[0]
  size_t written_ = 0;
};

}  // namespace weir::io::net
