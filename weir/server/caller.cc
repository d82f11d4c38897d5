#include "weir/server/caller.h"

#include <algorithm>
#include <charconv>

namespace weir::server {
namespace {

// 127.0.0.0/8 in four decimal parts.
bool loopback_v4(std::string_view host) {
  for (int part = 0; part < 4; ++part) {
    unsigned n = 0;
    auto [end, error] = std::from_chars(host.data(), host.data() + host.size(), n);
    if (error != std::errc() || n > 255 || (part == 0 && n != 127)) return false;
    host.remove_prefix(static_cast<size_t>(end - host.data()));
    if (part == 3) break;
    if (!host.starts_with('.')) return false;
    host.remove_prefix(1);
  }
  return host.empty();
}

// Only what cannot be anybody else's: "127.example.org" is a name that anyone may own.
bool loopback_name(std::string_view authority) {
  size_t end = authority.starts_with("[::1]") ? 5 : std::min(authority.find(':'), authority.size());
  std::string_view host = authority.substr(0, end), port = authority.substr(end);
  if (!port.empty() && port.front() != ':') return false;
  return host == "[::1]" || iequals(host, "localhost") || loopback_v4(host);
}

}  // namespace

std::string new_request_id(io::Random& random) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id = "req_000000000000000000000000";
  uint64_t bits = random.next(), more = random.next();
  for (size_t i = 0; i < 24; ++i) {
    uint64_t& source = i < 16 ? bits : more;
    id[4 + i] = kHex[source & 15];
    source >>= 4;
  }
  return id;
}

bool is_peer_local(const http::Request& request) {
  bool from_here = request.peer == "unix" || request.peer == "::1" || request.peer.starts_with("127.");
  if (!from_here || (request.peer != "unix" && !loopback_name(request.head.host))) return false;
  for (const Header& h : request.head.headers) {
    // A reverse proxy on this machine speaks for callers from anywhere.
    for (std::string_view relayed : {"x-forwarded-for", "forwarded", "x-real-ip", "via"})
      if (iequals(h.name, relayed)) return false;
    if (!iequals(h.name, "origin")) continue;
    size_t slashes = h.value.find("://");
    if (slashes == std::string_view::npos || !loopback_name(h.value.substr(slashes + 3))) return false;
  }
  return true;
}

}  // namespace weir::server
