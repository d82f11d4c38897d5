// One HTTP-style header as two borrowed views, shared by http, exchange and wire. Names compare without case.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

struct Header {
  std::string_view name;
  std::string_view value;
};

using HeaderList = std::span<const Header>;

/// Headers that own their text; what an answer carries.
using OwnedHeaders = std::vector<std::pair<std::string, std::string>>;

/// ASCII case-insensitive equality.
constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

/// The first header of that name, or nullptr.
inline const Header* find_header(HeaderList headers, std::string_view name) {
  for (const Header& h : headers)
    if (iequals(h.name, name)) return &h;
  return nullptr;
}

}  // namespace weir
