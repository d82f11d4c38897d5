#include "weir/io/address.h"

#include <charconv>

namespace weir::io {

Result<Address> Address::parse(std::string_view text) {
  Address a;
  if (text.starts_with("unix:")) {
    a.kind = Kind::kUnix;
    a.host = text.substr(5);
    if (a.host.empty() || a.host.size() > 100)
      return fail(ErrorCode::kConfig, "a Unix socket path has 1 to 100 characters");
    return a;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(ErrorCode::kConfig, "an address is host:port, [v6]:port or unix:/path");
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), a.port);
  if (ec != std::errc() || end != port.data() + port.size() || port.empty())
    return fail(ErrorCode::kConfig, "the port is a number from 0 to 65535");
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return fail(ErrorCode::kConfig, "an IPv6 address is written [::1]:8080");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return fail(ErrorCode::kConfig, "an IPv6 address is written [::1]:8080");
  }
  if (host.empty()) return fail(ErrorCode::kConfig, "the host is missing (0.0.0.0 listens everywhere)");
  a.host = host;
  return a;
}

std::string Address::to_string() const {
  if (kind == Kind::kUnix) return "unix:" + host;
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::loopback() const {
  return kind == Kind::kUnix || host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace weir::io
