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

/// ASCII lower case.
constexpr char lower(char c) {
  return static_cast<char>(c | (static_cast<unsigned char>(c - 'A') < 26) << 5);
}

/// ASCII case-insensitive equality. Most comparisons are of names that differ early.
constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

/// The first header of that name, or nullptr.
inline const Header* find_header(HeaderList headers, std::string_view name) {
  for (const Header& h : headers)
    if (iequals(h.name, name)) return &h;
  return nullptr;
}

}  // namespace weir
