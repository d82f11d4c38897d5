#include "weir/io/net/socket_stream.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "weir/base/assert.h"
#include "weir/io/net/socket_calls.h"

namespace weir::io::net {
namespace {

constexpr size_t kBatchPieces = 64;  // iovecs a sendmsg; an SSE frame has 3, a large body a few more
// After so many reads answered at once the next one goes through the loop, or a peer faster than we are would
// keep every other stream of this core waiting.
constexpr int kReadsAtOnceMax = 16;
constexpr uint32_t kReads = EPOLLIN | EPOLLRDHUP | EPOLLET;

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

Result<std::unique_ptr<SocketStream>> SocketStream::adopt(Poller& poller, int fd, int family,
                                                          std::string peer) {
  if (family != AF_UNIX) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  std::unique_ptr<SocketStream> stream(new SocketStream(poller, Fd(fd), std::move(peer)));
  if (int error = poller.watch(fd, kReads, *stream))
    return fail_internal(ErrorCode::kIo, fmt::format("cannot watch a socket: {}", strerror(error)));
  stream->watched_ = true;
  return stream;
}

// Watched from connect() on: before that the system calls a socket hung up.
Result<std::unique_ptr<SocketStream>> SocketStream::open(Poller& poller, int family, std::string peer) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_internal(ErrorCode::kIo, fmt::format("cannot make a socket: {}", strerror(errno)));
  if (family != AF_UNIX) {
    int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  return std::unique_ptr<SocketStream>(new SocketStream(poller, std::move(fd), std::move(peer)));
}

SocketStream::~SocketStream() {
  if (gone_) *gone_ = true;
  if (watched_) poller_.forget(fd_.get(), *this);
}

void SocketStream::abort() {
  if (aborted_) return;
  aborted_ = true;
  if (reader_ || writer_) poller_.soon(*this);
}

void SocketStream::on_ready(uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ended_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  go_on();
}

// Whoever waits for what has come is told. A completion may end this stream.
void SocketStream::go_on() {
  bool gone = false;
  gone_ = &gone;
  if (reader_) {
    if (auto result = read_on()) {
      std::exchange(reader_, nullptr)->on_done(*result);
      if (gone) return;
    }
  }
  if (writer_) {
    if (auto result = write_on()) {
      std::exchange(writer_, nullptr)->on_done(*result);
      if (gone) return;
    }
  }
  gone_ = nullptr;
}

// ----------------------------------------------------------------------------------- reading

std::optional<IoResult> SocketStream::receive(std::span<char> into) {
  ssize_t n;
  do {
    n = receive_now(fd_.get(), into);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    readable_ = ended_ = false;
    return std::nullopt;
  }
  if (n < 0) return IoResult{socket_status(errno), 0};
  if (n == 0) return IoResult{IoStatus::kEof, 0};
  readable_ = static_cast<size_t>(n) == into.size();
  return IoResult{IoStatus::kOk, static_cast<size_t>(n)};
}

std::optional<IoResult> SocketStream::try_read(std::span<char> into) {
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  if (!may_read()) return std::nullopt;
  return receive(into);
}

std::optional<IoResult> SocketStream::start_read(std::span<char> into, Completion& completion) {
  WEIR_ASSERT(!reader_);
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  if (may_read() && reads_at_once_ < kReadsAtOnceMax) {
    if (auto result = receive(into.empty() ? completion.read_into() : into)) {
      ++reads_at_once_;
      return result;
    }
  }
  into_ = into;
  wait_to_read(Reading::kBytes, completion);
  return std::nullopt;
}

void SocketStream::wait_readable(Completion& completion) {
  wait_to_read(Reading::kReadable, completion);
}

void SocketStream::wait_turn(Completion& completion) {
  wait_to_read(Reading::kTurn, completion);
}

void SocketStream::wait_to_read(Reading what, Completion& completion) {
  WEIR_ASSERT(!reader_);
  reader_ = &completion;
  reading_ = what;
  if (aborted_ || may_read() || what == Reading::kTurn) poller_.soon(*this);
}

std::optional<IoResult> SocketStream::read_on() {
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  if (reading_ != Reading::kTurn && !may_read()) return std::nullopt;
  reads_at_once_ = 0;
  if (reading_ != Reading::kBytes) return IoResult{};
  return receive(into_.empty() ? reader_->read_into() : into_);
}

// ----------------------------------------------------------------------------------- writing

std::optional<IoResult> SocketStream::try_write(std::string_view bytes) {
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
  ssize_t n;
  do {
    n = send_now(fd_.get(), bytes);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  if (n < 0) return IoResult{socket_status(errno), 0};
  return IoResult{IoStatus::kOk, static_cast<size_t>(n)};
}

std::optional<IoResult> SocketStream::start_write(std::span<const std::string_view> pieces,
                                                  Completion& completion) {
  WEIR_ASSERT(!writer_);
  if (aborted_) return IoResult{IoStatus::kCancelled, 0};
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
      n = send_now(fd_.get(), message);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) return IoResult{socket_status(errno), 0};
    size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
    total += sent;
    if (sent == bytes) continue;

    // The socket is full: what is left waits, and the caller with it.
    written_ = total;
    unsent_at_ = 0;
    for (size_t i = 0; i < count; ++i) {
      size_t skipped = std::min(sent, batch[i].iov_len);
      sent -= skipped;
      if (skipped < batch[i].iov_len)
        unsent_.push_back({static_cast<char*>(batch[i].iov_base) + skipped, batch[i].iov_len - skipped});
    }
    for (; at < pieces.size(); ++at)
      if (!pieces[at].empty()) unsent_.push_back({const_cast<char*>(pieces[at].data()), pieces[at].size()});
    wait_to_write(Writing::kPieces, completion);
    return std::nullopt;
  }
  return IoResult{IoStatus::kOk, total};
}

// Asks anew each time, so that a socket that has room already is told of at once.
void SocketStream::wait_to_write(Writing what, Completion& completion) {
  WEIR_ASSERT(!writer_);
  writer_ = &completion;
  writing_ = what;
  writable_ = false;
  if (aborted_) return poller_.soon(*this);
  error_ = watched_ ? poller_.change(fd_.get(), kReads | EPOLLOUT, *this)
                    : poller_.watch(fd_.get(), kReads | EPOLLOUT, *this);
  watched_ = watched_ || error_ == 0;
  if (error_ != 0) poller_.soon(*this);
}

void SocketStream::wait_writable(Completion& completion) {
  wait_to_write(Writing::kWritable, completion);
}

void SocketStream::start_connect(const sockaddr* address, socklen_t length, Completion& completion) {
  int failed = ::connect(fd_.get(), address, length) == 0 ? 0 : errno;
  if (failed == 0 || failed == EINPROGRESS) return wait_to_write(Writing::kConnect, completion);
  WEIR_ASSERT(!writer_);
  writer_ = &completion;
  writing_ = Writing::kConnect;
  error_ = failed;
  poller_.soon(*this);
}

std::optional<IoResult> SocketStream::connected() {
  socklen_t size = sizeof(error_);
  if (error_ == 0 && ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error_, &size) != 0) error_ = errno;
  return IoResult{error_ == 0 ? IoStatus::kOk : IoStatus::kReset, 0};
}

std::optional<IoResult> SocketStream::write_on() {
  std::optional<IoResult> result;
  if (aborted_)
    result = IoResult{IoStatus::kCancelled, 0};
  else if (!writable_ && error_ == 0)
    return std::nullopt;
  else if (writing_ == Writing::kConnect)
    result = connected();
  else if (error_ != 0)  // it could not be watched
    result = IoResult{IoStatus::kFailed, 0};
  else
    result = writing_ == Writing::kWritable ? IoResult{} : send_unsent();
  if (result) std::vector<iovec>().swap(unsent_);
  return result;
}

// Sends as much of `unsent_` as the socket takes; nullopt: it must wait.
std::optional<IoResult> SocketStream::send_unsent() {
  while (unsent_at_ < unsent_.size()) {
    msghdr message{};
    message.msg_iov = &unsent_[unsent_at_];
    message.msg_iovlen = std::min(kBatchPieces, unsent_.size() - unsent_at_);
    ssize_t n = send_now(fd_.get(), message);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      writable_ = false;
      return std::nullopt;
    }
    if (n < 0) return IoResult{socket_status(errno), 0};
    written_ += static_cast<size_t>(n);
    for (auto left = static_cast<size_t>(n); left > 0;) {
      iovec& piece = unsent_[unsent_at_];
      size_t taken = std::min(left, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      left -= taken;
      if (piece.iov_len == 0) ++unsent_at_;
    }
  }
  return IoResult{IoStatus::kOk, written_};
}

}  // namespace weir::io::net
