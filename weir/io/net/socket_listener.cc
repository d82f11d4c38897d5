#include "weir/io/net/socket_listener.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "weir/io/net/fd.h"
#include "weir/io/net/net_loop.h"
#include "weir/io/net/resolver.h"

namespace weir::io::net {
namespace {

constexpr int kAcceptsAtOnceMax = 32;
constexpr Duration kNoDescriptorsPause = milliseconds(100);

Unexpected cannot_listen(const Address& at, int error) {
  const char* why = error == EADDRINUSE ? "address already in use" : strerror(error);
  return fail_internal(ErrorCode::kIo, fmt::format("cannot listen on {}: {}", at.to_string(), why));
}

Result<Fd> bind_tcp(const Address& at, const SocketAddress& address, bool shared) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return cannot_listen(at, errno);
  int on = 1, off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (shared) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (address.family() == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (::bind(fd.get(), address.get(), address.length) != 0) return cannot_listen(at, errno);
  return fd;
}

// A socket file whose process died stays behind; one that somebody answers on is in use.
void remove_stale(const SocketAddress& address) {
  const char* path = reinterpret_cast<const sockaddr_un&>(address.storage).sun_path;
  struct stat info;
  if (::lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return;
  if (::connect(probe.get(), address.get(), address.length) != 0 && errno == ECONNREFUSED) ::unlink(path);
}

Result<Fd> bind_unix(const Address& at, const SocketAddress& address) {
  remove_stale(address);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return cannot_listen(at, errno);
  if (::bind(fd.get(), address.get(), address.length) != 0) return cannot_listen(at, errno);
  // Nobody can connect before listen(), so the mode is right from the first moment that counts.
  if (::chmod(at.host.c_str(), 0600) != 0) {
    int error = errno;
    ::unlink(at.host.c_str());
    return cannot_listen(at, error);
  }
  return fd;
}

Result<SocketAddress> to_bind(const Address& at) {
  if (auto literal = SocketAddress::literal(at)) return *literal;
  if (at.kind == Address::Kind::kUnix) return cannot_listen(at, ENAMETOOLONG);
  auto found = Resolver::look_up(at.host);
  if (!found)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("cannot listen on {}: {}", at.to_string(), found.error().message));
  // "localhost" often means ::1 first while most clients are configured with 127.0.0.1.
  for (const SocketAddress& one : *found)
    if (one.family() == AF_INET) return one.with_port(at.port);
  return found->front().with_port(at.port);
}

}  // namespace

struct SocketListener::State final : Poller::Watch, Timer {
  State(NetLoop& l, Accepted a) : loop(l), accepted(std::move(a)) {}
  ~State() { pause(); }

  // Watched by its level, not its edges: what a batch leaves is told again.
  int watch() {
    int error = loop.poller().watch(fd.get(), EPOLLIN, *this);
    watched = error == 0;
    return error;
  }
  void pause() {
    if (std::exchange(watched, false)) loop.poller().forget(fd.get(), *this);
  }
  void pause_for_descriptors() {
    pause();
    loop.arm(*this, kNoDescriptorsPause);
  }
  void on_ready(uint32_t) override { take(); }
  void on_timer() override {
    if (watch() != 0) loop.arm(*this, kNoDescriptorsPause);
  }
  void take();

  NetLoop& loop;
  Accepted accepted;
  Fd fd;
  SocketAddress local;
  bool watched = false;
  bool* gone = nullptr;  // set while connections are handed out
  dev_t device = 0;      // of the Unix socket's file
  ino_t inode = 0;
};

void SocketListener::State::take() {
  bool closed = false;
  gone = &closed;
  for (int taken = 0; taken < kAcceptsAtOnceMax; ++taken) {
    SocketAddress from;
    from.length = sizeof(from.storage);
    int one = ::accept4(fd.get(), reinterpret_cast<sockaddr*>(&from.storage), &from.length,
                        SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (one < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause_for_descriptors();
      break;  // EAGAIN, or the network's errors of a connection that is gone already (accept(2))
    }
    auto stream = SocketStream::adopt(loop.poller(), one, local.family(), peer_name(from.storage));
    if (!stream) {
      pause_for_descriptors();
      break;
    }
    accepted(std::move(*stream));
    if (closed) return;
  }
  gone = nullptr;
}

Result<std::unique_ptr<Listener>> SocketListener::open(NetLoop& loop, const Address& at,
                                                       const Network::ListenOptions& options,
                                                       Accepted accepted) {
  TRY(SocketAddress address, to_bind(at));
  bool is_unix = address.family() == AF_UNIX;
  // SO_REUSEPORT lets a second process of this user join in silently. A bind without it does not, so the
  // first of our loops probes with one.
  if (!is_unix && options.shared_port && at.port != 0 && loop.index() == 0) {
    TRY([[maybe_unused]] Fd probe, bind_tcp(at, address, false));
  }
  TRY(Fd fd, is_unix ? bind_unix(at, address) : bind_tcp(at, address, options.shared_port));
  auto state = std::make_unique<State>(loop, std::move(accepted));
  if (::listen(fd.get(), options.backlog) != 0) {
    int error = errno;
    if (is_unix) ::unlink(at.host.c_str());
    return cannot_listen(at, error);
  }
  state->local = address;
  if (is_unix) {
    struct stat info;
    if (::lstat(at.host.c_str(), &info) == 0) {
      state->device = info.st_dev;
      state->inode = info.st_ino;
    }
  } else {
    state->local.length = sizeof(state->local.storage);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&state->local.storage), &state->local.length);
  }
  state->fd = std::move(fd);
  if (int error = state->watch()) return cannot_listen(at, error);
  return std::unique_ptr<Listener>(new SocketListener(std::move(state)));
}

SocketListener::SocketListener(std::unique_ptr<State> state) : state_(std::move(state)) {}

SocketListener::~SocketListener() {
  State& s = *state_;
  if (s.gone) *s.gone = true;
  if (s.local.family() != AF_UNIX) return;
  // Only our own file: another process may have put its socket there since.
  std::string path = s.local.to_address().host;
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0 && info.st_dev == s.device && info.st_ino == s.inode)
    ::unlink(path.c_str());
}

Address SocketListener::local() const {
  return state_->local.to_address();
}

}  // namespace weir::io::net
