// What the bench's two programs share: flags, the monotonic clock, sockets of the loopback interface. They
// stay outside weir/ on purpose: what measures a program should not be built from its parts.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <string_view>

namespace bench {

inline int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

/// "--name value" pairs; every flag has a value.
class Flags {
 public:
  Flags(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; i += 2)
      values_[argv[i]] = argv[i + 1];
    if (argc % 2 == 0) {
      errno = EINVAL;
      die(argv[argc - 1]);
    }
  }
  std::string text(const std::string& name, const std::string& otherwise = "") const {
    auto it = values_.find("--" + name);
    return it == values_.end() ? otherwise : it->second;
  }
  int64_t integer(const std::string& name, int64_t otherwise) const {
    auto it = values_.find("--" + name);
    return it == values_.end() ? otherwise : std::strtoll(it->second.c_str(), nullptr, 10);
  }
  double number(const std::string& name, double otherwise) const {
    auto it = values_.find("--" + name);
    return it == values_.end() ? otherwise : std::strtod(it->second.c_str(), nullptr);
  }

 private:
  std::map<std::string, std::string> values_;
};

inline sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

inline void set_nodelay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/// As many descriptors as the system allows: 10,000 streams need more than the usual 1,024.
inline void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// The digits after "name" in `in`, or `otherwise`. Enough JSON for a script that the bench writes itself.
inline int64_t integer_after(std::string_view in, std::string_view name, int64_t otherwise) {
  size_t at = in.find(name);
  if (at == std::string_view::npos) return otherwise;
  at += name.size();
  while (at < in.size() && (in[at] == ' ' || in[at] == ':' || in[at] == '"'))
    ++at;
  if (at >= in.size() || in[at] < '0' || in[at] > '9') return otherwise;
  int64_t value = 0;
  for (; at < in.size() && in[at] >= '0' && in[at] <= '9'; ++at)
    value = value * 10 + (in[at] - '0');
  return value;
}

}  // namespace bench
