#include "weir/io/net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace weir::io::net {

std::optional<SocketAddress> SocketAddress::literal(const Address& address) {
  SocketAddress result;
  if (address.kind == Address::Kind::kUnix) {
    auto& to = reinterpret_cast<sockaddr_un&>(result.storage);
    if (address.host.size() >= sizeof(to.sun_path)) return std::nullopt;
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address.host.c_str(), address.host.size() + 1);
    result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.host.size() + 1);
    return result;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    result.length = sizeof(v4);
    return result;
  }
  result = {};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    result.length = sizeof(v6);
    return result;
  }
  return std::nullopt;
}

SocketAddress SocketAddress::with_port(uint16_t port) const {
  SocketAddress result = *this;
  if (family() == AF_INET)
    reinterpret_cast<sockaddr_in&>(result.storage).sin_port = htons(port);
  else if (family() == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(result.storage).sin6_port = htons(port);
  return result;
}

Address SocketAddress::to_address() const {
  Address address;
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    address.port = ntohs(v4.sin_port);
    address.host = text;
  } else if (family() == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    address.port = ntohs(v6.sin6_port);
    address.host = text;
  } else {
    address.kind = Address::Kind::kUnix;
    address.host = reinterpret_cast<const sockaddr_un&>(storage).sun_path;
  }
  return address;
}

}  // namespace weir::io::net
