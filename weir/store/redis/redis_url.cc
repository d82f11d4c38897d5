#include "weir/store/redis/redis_url.h"

#include <charconv>
#include <optional>

namespace weir::store::redis {
namespace {

constexpr uint16_t kPort = 6379;

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* first = text.data() + i + 1;
    auto [end, error] = std::from_chars(first, first + 2, byte, 16);
    if (error != std::errc() || end != first + 2) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

Unexpected wrong(std::string_view what) {
  return fail(
      ErrorCode::kConfig,
      "must be redis://[user:password@]host[:port][/db], rediss:// or unix:/path: " + std::string(what));
}

}  // namespace

Result<RedisUrl> RedisUrl::parse(std::string_view text) {
  RedisUrl url;
  if (text.starts_with("unix:")) {
    auto at = io::Address::parse(text);
    if (!at || at->kind != io::Address::Kind::kUnix) return wrong("a socket's path");
    url.address = *std::move(at);
    return url;
  }
  if (text.starts_with("rediss://")) {
    url.tls = true;
    text.remove_prefix(9);
  } else if (text.starts_with("redis://")) {
    text.remove_prefix(8);
  } else {
    return wrong("it begins otherwise");
  }
  if (text.find_first_of("?#") != std::string_view::npos) return wrong("it has no parameters");
  if (size_t at = text.rfind('@'); at != std::string_view::npos) {
    std::string_view who = text.substr(0, at);
    text.remove_prefix(at + 1);
    size_t colon = who.find(':');
    auto user = decoded(who.substr(0, colon));
    auto password = decoded(colon == std::string_view::npos ? std::string_view() : who.substr(colon + 1));
    if (!user || !password) return wrong("user or password is not percent-encoded");
    if (password->empty() && !user->empty()) return wrong("a user without a password");
    url.user = *std::move(user);
    url.password = Secret(std::move(*password));
  }
  if (size_t slash = text.find('/'); slash != std::string_view::npos) {
    std::string_view digits = text.substr(slash + 1);
    text = text.substr(0, slash);
    if (!digits.empty()) {
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.database);
      if (error != std::errc() || end != digits.data() + digits.size() || url.database < 0)
        return wrong("the database is a number");
    }
  }
  if (text.empty()) return wrong("there is no host");
  size_t bracket = text.rfind(']');
  bool with_port = text.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
  auto address =
      io::Address::parse(with_port ? std::string(text) : std::string(text) + ":" + std::to_string(kPort));
  if (!address || address->kind != io::Address::Kind::kTcp || address->host.empty() || address->port == 0)
    return wrong("host and port");
  url.address = *std::move(address);
  return url;
}

}  // namespace weir::store::redis
