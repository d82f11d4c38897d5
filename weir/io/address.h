// Where to listen or to connect: "host:port", "[v6]:port" or "unix:/path". A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir::io {

struct Address {
  enum class Kind : uint8_t { kTcp, kUnix };
  Kind kind = Kind::kTcp;
  std::string host;  // name or literal without brackets; the path for kUnix
  uint16_t port = 0;

  /// Errors: kConfig with the reason.
  static Result<Address> parse(std::string_view text);
  std::string to_string() const;
  bool loopback() const;  // reachable from this machine only
  friend bool operator==(const Address&, const Address&) = default;
};

}  // namespace weir::io
