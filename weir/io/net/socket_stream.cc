#include "weir/io/net/socket_stream.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "weir/base/assert.h"

namespace weir::io::net {
namespace {

constexpr size_t kBatchPieces = 64;  // iovecs a sendmsg; an SSE frame has 3, a large body a few more
// After so many reads answered at once the next one goes through the loop, or a peer faster than we are would
// keep every other stream of this core waiting.
constexpr int kReadsAtOnceMax = 16;

}  // namespace

IoStatus socket_status(int error) {
  switch (error) {
    case 0:
      return IoStatus::kOk;
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
    case ECONNABORTED:
    case ENOTCONN:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return IoStatus::kReset;
    case ECANCELED:
      return IoStatus::kCancelled;
    default:
      return IoStatus::kFailed;
  }
}

std::string peer_name(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
    return text;
  }
  if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6))
      inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof(text));
    else
      inet_ntop(AF_INET6, &v6, text, sizeof(text));
    return text;
  }
  return "unix";
}

struct SocketStream::State {
  explicit State(asio::io_context& io) : socket(io.get_executor()) {}

  StreamSocket socket;
  int references = 1;
  int error = 0;  // errno of the last failed connect
  bool closed = false;
  bool aborted = false;
  bool filled = false;       // the last read filled its buffer: more is probably there
  bool slot_in_use = false;  // `slot` holds the waiting read
  bool connecting = false;
  int reads_at_once = 0;
  size_t read_size = 0;  // of the waiting read's buffer
  Completion* reader = nullptr;
  Completion* writer = nullptr;
  std::vector<iovec> unsent;  // what a write still has to send; empty but for a write that waits
  size_t unsent_at = 0;
  size_t written = 0;
  std::string peer;
  // Asio's record of the waiting read lives here: an idle stream has exactly one.
  alignas(std::max_align_t) std::byte slot[160];

  void unref() {
    if (--references == 0) delete this;
  }
  void wait_to_write();
  IoResult answer(IoResult result) const { return aborted ? IoResult{IoStatus::kCancelled, 0} : result; }
  bool send_more(IoResult& result);
};

// What asio calls back: which state, which direction. Owns one reference of the state.
class SocketStream::Handler {
 public:
  enum class For : uint8_t { kRead, kReadable, kWrite, kWritable };

  Handler(State& state, For what) : state_(&state), for_(what) { ++state.references; }
  Handler(Handler&& other) noexcept : state_(std::exchange(other.state_, nullptr)), for_(other.for_) {}
  Handler& operator=(Handler&&) = delete;
  ~Handler() {
    if (state_) state_->unref();
  }

  template <class T>
  struct Allocator {
    using value_type = T;
    State* state;
    explicit Allocator(State* s) : state(s) {}
    template <class U>
    Allocator(const Allocator<U>& other) : state(other.state) {}
    T* allocate(size_t n) {
      if (!state->slot_in_use && n * sizeof(T) <= sizeof(state->slot)) {
        state->slot_in_use = true;
        return reinterpret_cast<T*>(state->slot);
      }
      return static_cast<T*>(::operator new(n * sizeof(T)));
    }
    void deallocate(T* p, size_t) {
      if (reinterpret_cast<std::byte*>(p) == state->slot)
        state->slot_in_use = false;
      else
        ::operator delete(p);
    }
    friend bool operator==(const Allocator&, const Allocator&) = default;
  };
  using allocator_type = Allocator<void*>;
  allocator_type get_allocator() const { return allocator_type(state_); }

  void operator()(AsioError error, size_t bytes) {
    State& s = *state_;
    if (s.closed) return;
    switch (for_) {
      case For::kRead:
        s.filled = bytes == s.read_size;
        return read_done(s, error, bytes);
      case For::kReadable:
        return read_done(s, error, 0);
      case For::kWrite:
        return write_on(s, error);
      case For::kWritable:
        return writable(s, error);
    }
  }
  void operator()(AsioError error) { (*this)(error, 0); }
  void operator()() { (*this)(AsioError(), 0); }

 private:
  static IoResult to_result(AsioError error, size_t bytes) {
    if (!error) return {IoStatus::kOk, bytes};
    if (error == asio::error::eof) return {IoStatus::kEof, 0};
    return {socket_status(error.value()), 0};
  }

  void read_done(State& s, AsioError error, size_t bytes) {
    Completion* reader = std::exchange(s.reader, nullptr);
    s.reads_at_once = 0;
    reader->on_done(s.answer(to_result(error, bytes)));
  }

  static void write_on(State& s, AsioError error) {
    IoResult result = to_result(error, 0);
    if (result.ok() && !s.aborted && !s.send_more(result)) return s.wait_to_write();
    std::vector<iovec>().swap(s.unsent);
    std::exchange(s.writer, nullptr)->on_done(s.answer(result));
  }

  static void writable(State& s, AsioError error) {
    IoResult result = to_result(error, 0);
    if (std::exchange(s.connecting, false)) {
      s.error = error.value();
      if (error && result.status != IoStatus::kCancelled) result.status = IoStatus::kReset;
    }
    std::exchange(s.writer, nullptr)->on_done(s.answer(result));
  }

  State* state_;
  For for_;
};

// Sends as much of `unsent` as the socket takes. False: it must wait.
bool SocketStream::State::send_more(IoResult& result) {
  while (unsent_at < unsent.size()) {
    msghdr message{};
    message.msg_iov = &unsent[unsent_at];
    message.msg_iovlen = std::min(kBatchPieces, unsent.size() - unsent_at);
    ssize_t n = ::sendmsg(socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return false;
      result = {socket_status(errno), 0};
      return true;
    }
    written += static_cast<size_t>(n);
    for (auto left = static_cast<size_t>(n); left > 0;) {
      iovec& piece = unsent[unsent_at];
      size_t taken = std::min(left, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      left -= taken;
      if (piece.iov_len == 0) ++unsent_at;
    }
  }
  result = {IoStatus::kOk, written};
  return true;
}

void SocketStream::State::wait_to_write() {
  socket.async_wait(StreamSocket::wait_write, Handler(*this, Handler::For::kWrite));
}

Result<std::unique_ptr<SocketStream>> SocketStream::adopt(asio::io_context& io, int fd, int family,
                                                          std::string peer) {
  if (family != AF_UNIX) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  std::unique_ptr<SocketStream> stream(new SocketStream(new State(io)));
  AsioError error;
  stream->state_->socket.assign({family, family == AF_UNIX ? 0 : IPPROTO_TCP}, fd, error);
  if (error) {
    ::close(fd);
    return fail_internal(ErrorCode::kIo, fmt::format("cannot watch a socket: {}", error.message()));
  }
  stream->state_->peer = std::move(peer);
  return stream;
}

Result<std::unique_ptr<SocketStream>> SocketStream::open(asio::io_context& io, int family, std::string peer) {
  int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_internal(ErrorCode::kIo, fmt::format("cannot make a socket: {}", strerror(errno)));
  return adopt(io, fd, family, std::move(peer));
}

SocketStream::~SocketStream() {
  state_->closed = true;
  AsioError ignored;
  state_->socket.close(ignored);
  state_->unref();
}

std::optional<IoResult> SocketStream::start_read(std::span<char> into, Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.reader && !into.empty());
  if (s.aborted) return IoResult{IoStatus::kCancelled, 0};
  if (s.filled && s.reads_at_once < kReadsAtOnceMax) {
    if (auto result = try_read(into)) {
      ++s.reads_at_once;
      return result;
    }
  }
  s.reader = &completion;
  s.read_size = into.size();
  s.socket.async_read_some(asio::buffer(into.data(), into.size()), Handler(s, Handler::For::kRead));
  return std::nullopt;
}

std::optional<IoResult> SocketStream::start_write(std::span<const std::string_view> pieces,
                                                  Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.writer);
  if (s.aborted) return IoResult{IoStatus::kCancelled, 0};
  size_t total = 0;
  for (size_t at = 0; at < pieces.size();) {
    iovec batch[kBatchPieces];
    size_t count = 0, bytes = 0;
    while (at < pieces.size() && count < kBatchPieces) {
      std::string_view piece = pieces[at++];
      if (piece.empty()) continue;
      batch[count++] = {const_cast<char*>(piece.data()), piece.size()};
      bytes += piece.size();
    }
    if (count == 0) break;
    msghdr message{};
    message.msg_iov = batch;
    message.msg_iovlen = count;
    ssize_t n;
    do {
      n = ::sendmsg(s.socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) return IoResult{socket_status(errno), 0};
    size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
    total += sent;
    if (sent == bytes) continue;

    // The socket is full: what is left waits, and the caller with it.
    s.written = total;
    s.unsent_at = 0;
    for (size_t i = 0; i < count; ++i) {
      size_t skipped = std::min(sent, batch[i].iov_len);
      sent -= skipped;
      if (skipped < batch[i].iov_len)
        s.unsent.push_back({static_cast<char*>(batch[i].iov_base) + skipped, batch[i].iov_len - skipped});
    }
    for (; at < pieces.size(); ++at)
      if (!pieces[at].empty()) s.unsent.push_back({const_cast<char*>(pieces[at].data()), pieces[at].size()});
    s.writer = &completion;
    s.wait_to_write();
    return std::nullopt;
  }
  return IoResult{IoStatus::kOk, total};
}

void SocketStream::abort() {
  if (state_->aborted) return;
  state_->aborted = true;
  AsioError ignored;
  state_->socket.cancel(ignored);
}

std::string_view SocketStream::peer() const {
  return state_->peer;
}

void SocketStream::start_connect(const sockaddr* address, socklen_t length, Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.writer);
  s.writer = &completion;
  s.connecting = true;
  asio::generic::stream_protocol::endpoint to(address, length);
  s.socket.async_connect(to, Handler(s, Handler::For::kWritable));
}

int SocketStream::last_error() const {
  return state_->error;
}

std::optional<IoResult> SocketStream::try_read(std::span<char> into) {
  State& s = *state_;
  if (s.aborted) return IoResult{IoStatus::kCancelled, 0};
  ssize_t n;
  do {
    n = ::recv(s.socket.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    s.filled = false;
    return std::nullopt;
  }
  if (n < 0) return IoResult{socket_status(errno), 0};
  if (n == 0) return IoResult{IoStatus::kEof, 0};
  s.filled = static_cast<size_t>(n) == into.size();
  return IoResult{IoStatus::kOk, static_cast<size_t>(n)};
}

std::optional<IoResult> SocketStream::try_write(std::string_view bytes) {
  State& s = *state_;
  if (s.aborted) return IoResult{IoStatus::kCancelled, 0};
  ssize_t n;
  do {
    n = ::send(s.socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  if (n < 0) return IoResult{socket_status(errno), 0};
  return IoResult{IoStatus::kOk, static_cast<size_t>(n)};
}

void SocketStream::wait_readable(Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.reader);
  s.reader = &completion;
  s.socket.async_wait(StreamSocket::wait_read, Handler(s, Handler::For::kReadable));
}

void SocketStream::wait_writable(Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.writer);
  s.writer = &completion;
  s.socket.async_wait(StreamSocket::wait_write, Handler(s, Handler::For::kWritable));
}

void SocketStream::wait_turn(Completion& completion) {
  State& s = *state_;
  WEIR_ASSERT(!s.reader);
  s.reader = &completion;
  asio::post(s.socket.get_executor(), Handler(s, Handler::For::kReadable));
}

int SocketStream::fd() const {
  return state_->socket.native_handle();
}

}  // namespace weir::io::net
