#include "weir/server/caller.h"

#include <algorithm>
#include <charconv>

#include "weir/io/random_id.h"

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
  return io::random_id(random, "req_");
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

Result<exchange::CallerTags> caller_tags(HeaderList headers) {
  constexpr size_t kTagBytesMax = 64;
  exchange::CallerTags tags;
  for (const Header& h : headers) {
    if (h.name.size() < 10 || h.name.size() > 12 || !iequals(h.name.substr(0, 7), "x-weir-")) continue;
    std::string_view which = h.name.substr(7);
    std::string_view* into = iequals(which, "agent") ? &tags.agent
                             : iequals(which, "run") ? &tags.run
                             : iequals(which, "tag") ? &tags.tag
                                                     : nullptr;
    if (!into) continue;
    bool good = !h.value.empty() && h.value.size() <= kTagBytesMax && into->empty() &&
                std::ranges::all_of(h.value, [](char c) { return c >= ' ' && c < 0x7f; });
    if (!good) {
      std::string name = into == &tags.agent ? "x-weir-agent"
                         : into == &tags.run ? "x-weir-run"
                                             : "x-weir-tag";
      return fail(ErrorCode::kInvalidRequest,
                  "The header " + name + " takes 1 to 64 printable ASCII characters, once.", name,
                  "invalid_header");
    }
    *into = h.value;
  }
  return tags;
}

void introduce(exchange::Exchange& exchange, const http::Request& request, MonoTime received) {
  exchange.id = new_request_id(exchange.loop.random());
  exchange.headers = request.head.headers;
  exchange.peer = request.peer;
  exchange.peer_local = is_peer_local(request);
  exchange.timeline.received = received;
}

}  // namespace weir::server
