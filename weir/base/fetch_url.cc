#include "weir/base/fetch_url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace weir {
namespace {

std::optional<std::array<uint8_t, 4>> ipv4(std::string_view host) {
  std::array<uint8_t, 4> bytes{};
  for (size_t i = 0; i < 4; ++i) {
    size_t dot = i < 3 ? host.find('.') : host.size();
    if (dot == std::string_view::npos || dot == 0) return std::nullopt;
    auto [stop, error] = std::from_chars(host.data(), host.data() + dot, bytes[i]);
    if (error != std::errc() || stop != host.data() + dot) return std::nullopt;
    host.remove_prefix(std::min(dot + 1, host.size()));
  }
  return bytes;
}

// What a resolver may still read as an address: 0x7f.1, 2130706433, 127.1.
bool looks_numeric(std::string_view host) {
  size_t dot = host.rfind('.');
  std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  return !last.empty() && last.front() >= '0' && last.front() <= '9';
}

}  // namespace

bool names_this_machine(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  auto address = ipv4(host);
  return address && (*address)[0] == 127;
}

bool is_private_address(std::string_view host) {
  if (host == "localhost") return true;
  // Of IPv6 only global unicast (2000::/3) is public, and of that not what maps or tunnels IPv4.
  if (host.contains(':'))
    return !(host.starts_with('2') || host.starts_with('3')) || host.find(':') < 4 ||
           host.starts_with("2002:") || host.starts_with("2001:0:") || host.starts_with("2001::");
  auto a = ipv4(host);
  if (!a) return looks_numeric(host);
  uint8_t first = (*a)[0], second = (*a)[1];
  return first == 0 || first == 10 || first == 127 || first >= 224 || (first == 100 && second / 64 == 1) ||
         (first == 169 && second == 254) || (first == 172 && second / 16 == 1) ||
         (first == 192 && (second == 168 || (second == 0 && (*a)[2] == 0))) ||
         (first == 198 && second / 2 == 9);
}

Result<FetchUrl> FetchUrl::parse(std::string_view text) {
  size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || text.starts_with("unix"))
    return fail(ErrorCode::kConfig, "must start with https://");
  size_t path = text.find_first_of("/?#", scheme + 3);
  FetchUrl url;
  TRY(url.origin, BaseUrl::parse(text.substr(0, path)));
  url.target = path == std::string_view::npos ? "/" : std::string(text.substr(path));
  if (url.target.front() == '?') url.target.insert(url.target.begin(), '/');
  auto odd = [](char c) { return c <= ' ' || c >= 0x7f || c == '#' || c == '\\'; };
  if (std::ranges::any_of(url.target, odd))
    return fail(ErrorCode::kConfig, "holds a character that no address has, or a fragment");
  if (url.origin.scheme == BaseUrl::Scheme::kHttp && !names_this_machine(url.origin.host))
    return fail(ErrorCode::kConfig, "must start with https:// (http:// only on this machine)");
  return url;
}

std::string FetchUrl::host_header() const {
  bool v6 = origin.host.contains(':');
  std::string host = v6 ? "[" + origin.host + "]" : origin.host;
  uint16_t standard = origin.scheme == BaseUrl::Scheme::kHttps ? 443 : 80;
  if (origin.port != standard) host += ":" + std::to_string(origin.port);
  return host;
}

}  // namespace weir
