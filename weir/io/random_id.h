// Names of things that only have to differ: "req_" and 24 hex digits. Not secret.
#pragma once

#include <string>
#include <string_view>

#include "weir/io/random.h"

namespace weir::io {

inline std::string random_id(Random& random, std::string_view prefix) {
  static constexpr char kHex[] = "0123456789abcdef";
  constexpr size_t kDigits = 24;
  std::string id(prefix);
  id.resize(prefix.size() + kDigits);
  char* at = id.data() + prefix.size();
  uint64_t bits = random.next(), more = random.next();
  for (size_t i = 0; i < kDigits; ++i) {
    uint64_t& source = i < 16 ? bits : more;
    at[i] = kHex[source & 15];
    source >>= 4;
  }
  return id;
}

}  // namespace weir::io
