// The path of a request that is passed through goes out as it came in: whoever resolves its escapes, once or
// twice, and its dots afterwards must see the same segments, none of them empty, and no separator, query or
// fragment that was not there. And a name of an API is never found behind something that is not its prefix.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/pieces.h"
#include "weir/server/passed_path.h"

namespace {

using weir::fuzz::check;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// As a forgiving reader would.
std::string resolved(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool escape = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    i += escape ? 2 : 0;
  }
  return out;
}

void check_segments(std::string_view path, ptrdiff_t slashes) {
  check(std::ranges::count(path, '/') == slashes && path.starts_with('/'));
  check(path.find_first_of("?#\\") == std::string_view::npos);
  for (char c : path)
    check(c > 0x20 && c < 0x7f);
  for (std::string_view rest = path.substr(1);;) {
    size_t end = std::min(rest.find('/'), rest.size());
    std::string_view segment = rest.substr(0, end);
    check(!segment.empty() && segment != "." && segment != "..");
    if (end == rest.size()) return;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view path(reinterpret_cast<const char*>(data), size);
  if (weir::server::passed_path(path)) check(path.starts_with("/v1/"));
  if (!weir::server::is_plain_path(path)) return 0;
  ptrdiff_t slashes = std::ranges::count(path, '/');
  std::string once = resolved(path);
  check_segments(path, slashes);
  check_segments(once, slashes);
  check(resolved(once) == once);
  return 0;
}
