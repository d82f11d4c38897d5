// The kernel's form of an Address. A value.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

#include "weir/io/address.h"

namespace weir::io::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }

  /// From a literal or a Unix path; nullopt when `address` names a host.
  static std::optional<SocketAddress> literal(const Address& address);
  /// The same address with another port (TCP only).
  SocketAddress with_port(uint16_t port) const;
  Address to_address() const;
};

}  // namespace weir::io::net
