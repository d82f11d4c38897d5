#include "weir/base/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace weir {
namespace {

// Literals and names as they stand in a URL or an address; resolving them is io's business.
bool is_host(std::string_view host, bool bracketed) {
  auto in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  auto in_v6 = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
  };
  if (host.empty() || host.size() > 253) return false;
  return bracketed ? std::ranges::all_of(host, in_v6) && host.contains(':')
                   : std::ranges::all_of(host, in_name);
}

}  // namespace

Result<BaseUrl> BaseUrl::parse(std::string_view text) {
  BaseUrl url;
  if (text.starts_with("unix:")) {
    std::string_view path = text.substr(5);
    if (!path.starts_with('/') || path.size() > 100)
      return fail(ErrorCode::kConfig,
                  "after unix: comes the absolute path of a socket, at most 100 characters");
    url.scheme = Scheme::kUnix;
    url.host = path;
    return url;
  }
  if (text.starts_with("https://")) {
    url.scheme = Scheme::kHttps;
    url.port = 443;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    url.port = 80;
    text.remove_prefix(7);
  } else {
    return fail(ErrorCode::kConfig, "must start with http://, https:// or unix:");
  }
  size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash), path = text.substr(slash);
  if (authority.contains('@'))
    return fail(ErrorCode::kConfig, "must not hold a user or password; a key belongs into api_key");
  if (!std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7f && c != '?' && c != '#'; }))
    return fail(ErrorCode::kConfig, "the path must not hold spaces, ?, # or characters outside ASCII");
  while (path.ends_with('/'))
    path.remove_suffix(1);
  url.path = path;

  bool bracketed = authority.starts_with('[');
  size_t host_end = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (host_end == std::string_view::npos)
    return fail(ErrorCode::kConfig, "an IPv6 address is written http://[::1]:8080");
  url.host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
  if (!is_host(url.host, bracketed))
    return fail(ErrorCode::kConfig,
                "the host must be a name, an IPv4 address or an IPv6 address in brackets");
  std::string_view rest = authority.substr(host_end + (bracketed ? 1 : 0));
  if (rest.empty()) return url;
  const char* end = rest.data() + rest.size();
  auto [stop, error] = std::from_chars(rest.data() + 1, end, url.port);
  if (rest[0] != ':' || error != std::errc() || stop != end || url.port == 0)
    return fail(ErrorCode::kConfig, "the port must be a number from 1 to 65535");
  return url;
}

std::string BaseUrl::to_string() const {
  if (scheme == Scheme::kUnix) return "unix:" + host;
  bool https = scheme == Scheme::kHttps, v6 = host.contains(':');
  std::string text = fmt::format("{}://{}", https ? "https" : "http", v6 ? "[" + host + "]" : host);
  if (port != (https ? 443 : 80)) text += fmt::format(":{}", port);
  return text + path;
}

UpstreamTimeouts UpstreamTimeoutOverrides::over(UpstreamTimeouts base) const {
  return {.queue = queue.value_or(base.queue),
          .connect = connect.value_or(base.connect),
          .headers = headers.value_or(base.headers),
          .answer = answer.value_or(base.answer),
          .first_token = first_token.value_or(base.first_token),
          .idle = idle.value_or(base.idle),
          .total = total.value_or(base.total)};
}

std::string_view name(AlertSeverity severity) {
  constexpr std::string_view kNames[] = {"info", "warning", "critical"};
  return kNames[static_cast<size_t>(severity)];
}

std::string_view name(AlertMeasure measure) {
  constexpr std::string_view kNames[] = {"error_percent", "p95_ms",         "first_token_p95_ms",
                                         "usd_per_hour",  "budget_percent", "target_down",
                                         "key_expires"};
  return kNames[static_cast<size_t>(measure)];
}

bool matches_pattern(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

std::string to_string(const SettingsProblem& problem, std::string_view file) {
  return fmt::format("{}:{}:{}: {}{}{}", file, problem.line, problem.column, problem.path,
                     problem.path.empty() ? "" : ": ", problem.message);
}

}  // namespace weir
