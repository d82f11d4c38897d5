// HMAC-SHA256: what keys of accounts are stored as. Values, no state. Thread-safe.
#pragma once

#include <array>
#include <string_view>

#include "weir/base/hash.h"

namespace weir {

/// HMAC-SHA256 (RFC 2104) under one key, whose two blocks are hashed once: a text of 60 bytes costs three
/// blocks. Wiped when it dies.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;
  ~HmacSha256();
  Sha256 operator()(std::string_view bytes) const;

 private:
  struct alignas(8) State {
    std::array<unsigned char, 112> bytes;  // a SHA256_CTX
  };
  State inner_, outer_;
};

}  // namespace weir
