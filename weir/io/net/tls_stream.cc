#include "weir/io/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <cstring>

#include "weir/base/assert.h"

namespace weir::io::net {
namespace {

constexpr size_t kRecord = 16 * 1024;  // the most plaintext a TLS record holds
constexpr int kReadsAtOnceMax = 16;    // as in socket_stream.cc
// Of the socket inside one call of OpenSSL, which goes on as long as it gets no data: a peer that sends
// nothing but key updates would keep the core. A record needs two of them.
constexpr int kSocketReadsMax = 3;

}  // namespace

// OpenSSL's view of our socket. The method table is made once and never changes.
struct TlsStream::Bio {
  static TlsStream& of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    TlsStream& s = of(bio);
    BIO_clear_retry_flags(bio);
    std::optional<IoResult> result;
    if (s.socket_reads_++ < kSocketReadsMax) result = s.socket_->try_read({into, static_cast<size_t>(size)});
    if (!result) {
      BIO_set_retry_read(bio);
      return -1;
    }
    if (result->ok()) return static_cast<int>(result->bytes);
    s.socket_ended_ = result->status == IoStatus::kEof;
    if (s.socket_ended_) return 0;
    s.socket_status_ = result->status;
    return -1;
  }

  static int write(BIO* bio, const char* bytes, int size) {
    TlsStream& s = of(bio);
    BIO_clear_retry_flags(bio);
    auto result = s.socket_->try_write({bytes, static_cast<size_t>(size)});
    if (!result) {
      BIO_set_retry_write(bio);
      return -1;
    }
    if (result->ok()) return static_cast<int>(result->bytes);
    s.socket_status_ = result->status;
    return -1;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return of(bio).socket_ended_ ? 1 : 0;
    return 0;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir socket");
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return kMethod;
  }
};

TlsStream::TlsStream(std::unique_ptr<SocketStream> socket, Ssl ssl)
    : socket_(std::move(socket)), ssl_(std::move(ssl)) {
  BIO* bio = BIO_new(Bio::method());
  WEIR_ASSERT(bio);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

// close_notify is tried once: a peer that does not read is not waited for.
TlsStream::~TlsStream() {
  if (gone_) *gone_ = true;
  if (established_ && !broken_ && !aborted_ && !writing_.completion) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

std::optional<IoResult> TlsStream::outcome(int code, Operation& operation) {
  switch (SSL_get_error(ssl_.get(), code)) {
    case SSL_ERROR_WANT_READ:
      operation.want = Want::kReadable;
      return std::nullopt;
    case SSL_ERROR_WANT_WRITE:
      operation.want = Want::kWritable;
      return std::nullopt;
    case SSL_ERROR_ZERO_RETURN:
      return IoResult{IoStatus::kEof, 0};
    default:
      break;
  }
  broken_ = true;
  bool truncated = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    failure_ = X509_verify_cert_error_string(verified);
    ERR_clear_error();
  } else if (socket_status_ != IoStatus::kOk) {
    failure_ = name(socket_status_);
    ERR_clear_error();
  } else {
    failure_ = tls_reasons();
  }
  if (socket_status_ != IoStatus::kOk) return IoResult{socket_status_, 0};
  return IoResult{truncated ? IoStatus::kReset : IoStatus::kFailed, 0};
}

void TlsStream::wait(Operation& operation) {
  SocketWait& on = operation.want == Want::kReadable ? readable_ : writable_;
  if (std::exchange(on.waiting, true)) return;
  if (operation.want == Want::kReadable)
    socket_->wait_readable(on);
  else
    socket_->wait_writable(on);
}

// Completions may end this stream.
void TlsStream::ready(SocketWait& on, IoResult result) {
  on.waiting = false;
  bool gone = false;
  gone_ = &gone;
  for (Operation* operation : {&reading_, &writing_}) {
    if (!operation->completion || operation->want != on.what) continue;
    operation->want = Want::kNothing;
    std::optional<IoResult> answer = result.ok() ? (this->*operation->step)() : result;
    if (!answer) {
      wait(*operation);
      continue;
    }
    std::exchange(operation->completion, nullptr)->on_done(*answer);
    if (gone) return;
  }
  gone_ = nullptr;
}

std::optional<IoResult> TlsStream::start_handshake(Completion& completion) {
  WEIR_ASSERT(!reading_.completion && !established_);
  auto answer = step_handshake();
  if (answer) return answer;
  reading_.completion = &completion;
  reading_.step = &TlsStream::step_handshake;
  wait(reading_);
  return std::nullopt;
}

std::optional<IoResult> TlsStream::step_handshake() {
  ERR_clear_error();
  socket_reads_ = 0;
  int code = SSL_do_handshake(ssl_.get());
  if (code != 1) return outcome(code, reading_);
  established_ = true;
  return IoResult{};
}

std::optional<IoResult> TlsStream::start_read(std::span<char> into, Completion& completion) {
  WEIR_ASSERT(!reading_.completion);
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  into_ = into;
  reading_.completion = &completion;
  if (reads_at_once_ < kReadsAtOnceMax) {
    if (auto answer = step_read()) {
      ++reads_at_once_;
      reading_.completion = nullptr;
      return answer;
    }
  }
  reading_.step = &TlsStream::step_read;
  if (reads_at_once_ < kReadsAtOnceMax) {
    wait(reading_);
  } else {  // the socket may be empty while OpenSSL holds more: so not a wait for the socket
    reading_.want = Want::kReadable;
    readable_.waiting = true;
    socket_->wait_turn(readable_);
  }
  reads_at_once_ = 0;
  return std::nullopt;
}

std::optional<IoResult> TlsStream::step_read() {
  if (broken_) return IoResult{socket_status_ == IoStatus::kOk ? IoStatus::kFailed : socket_status_, 0};
  ERR_clear_error();
  socket_reads_ = 0;
  size_t bytes = 0;
  std::span<char> into = into_.empty() ? reading_.completion->read_into() : into_;
  int code = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
  if (code != 1) return outcome(code, reading_);
  return IoResult{IoStatus::kOk, bytes};
}

// Writes until `bytes` is empty. False: the socket is full, or `result` tells why it failed.
bool TlsStream::encrypt(std::string_view& bytes, std::optional<IoResult>& result) {
  while (!bytes.empty()) {
    if (broken_) {
      result = IoResult{socket_status_ == IoStatus::kOk ? IoStatus::kFailed : socket_status_, 0};
      return false;
    }
    ERR_clear_error();
    size_t taken = 0;
    int code = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &taken);
    if (code != 1) {
      result = outcome(code, writing_);
      return false;
    }
    bytes.remove_prefix(taken);
    written_ += taken;
  }
  return true;
}

// A record costs 30 bytes, a system call and two passes of the cipher's set-up: small pieces (head, chunk
// size, body) are gathered into one.
std::optional<IoResult> TlsStream::start_write(std::span<const std::string_view> pieces,
                                               Completion& completion) {
  WEIR_ASSERT(!writing_.completion && unsent_.empty());
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  written_ = 0;
  char gathered[kRecord];
  size_t held = 0;
  size_t at = 0;
  std::string_view chunk;
  std::optional<IoResult> result;
  bool done = true;
  while (done && (at < pieces.size() || held > 0)) {
    if (at < pieces.size() && held + pieces[at].size() <= kRecord) {
      if (!pieces[at].empty()) std::memcpy(gathered + held, pieces[at].data(), pieces[at].size());
      held += pieces[at++].size();
      if (at < pieces.size()) continue;
    }
    if (held > 0) {
      chunk = {gathered, held};
      done = encrypt(chunk, result);
      if (done) held = 0;
    } else if (at < pieces.size()) {
      chunk = pieces[at++];
      done = encrypt(chunk, result);
    }
  }
  if (done) return IoResult{IoStatus::kOk, written_};
  if (result) return result;

  if (held > 0) {
    staged_ = chunk;
    chunk = staged_;
  }
  unsent_.push_back(chunk);
  unsent_.insert(unsent_.end(), pieces.begin() + static_cast<ptrdiff_t>(at), pieces.end());
  writing_.completion = &completion;
  writing_.step = &TlsStream::step_write;
  wait(writing_);
  return std::nullopt;
}

std::optional<IoResult> TlsStream::step_write() {
  std::optional<IoResult> result;
  for (std::string_view& piece : unsent_)
    if (!encrypt(piece, result)) {
      if (!result) return std::nullopt;
      break;
    }
  std::vector<std::string_view>().swap(unsent_);
  std::string().swap(staged_);
  return result ? result : IoResult{IoStatus::kOk, written_};
}

}  // namespace weir::io::net
