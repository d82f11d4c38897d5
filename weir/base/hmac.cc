#include "weir/base/hmac.h"

// As in hash.cc: deprecated in favour of EVP, and without its contexts and providers on every request.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#include "weir/base/assert.h"

namespace weir {

HmacSha256::HmacSha256(std::string_view key) {
  static_assert(sizeof(SHA256_CTX) == sizeof(State));
  constexpr size_t kBlock = SHA256_CBLOCK;
  std::array<unsigned char, kBlock> block{};
  if (key.size() > kBlock) {
    Sha256 digest = sha256(key);
    std::copy(digest.begin(), digest.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  auto begin = [&](State& state, unsigned char pad) {
    std::array<unsigned char, kBlock> padded = block;
    for (unsigned char& b : padded)
      b ^= pad;
    SHA256_CTX context;
    WEIR_ASSERT(SHA256_Init(&context) == 1);
    WEIR_ASSERT(SHA256_Update(&context, padded.data(), padded.size()) == 1);
    std::memcpy(&state, &context, sizeof(context));
    OPENSSL_cleanse(&context, sizeof(context));
    OPENSSL_cleanse(padded.data(), padded.size());
  };
  begin(inner_, 0x36);
  begin(outer_, 0x5c);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(&inner_, sizeof(inner_));
  OPENSSL_cleanse(&outer_, sizeof(outer_));
}

Sha256 HmacSha256::operator()(std::string_view bytes) const {
  Sha256 digest;
  SHA256_CTX context;
  std::memcpy(&context, &inner_, sizeof(context));
  WEIR_ASSERT(SHA256_Update(&context, bytes.data(), bytes.size()) == 1);
  WEIR_ASSERT(SHA256_Final(digest.data(), &context) == 1);
  std::memcpy(&context, &outer_, sizeof(context));
  WEIR_ASSERT(SHA256_Update(&context, digest.data(), digest.size()) == 1);
  WEIR_ASSERT(SHA256_Final(digest.data(), &context) == 1);
  OPENSSL_cleanse(&context, sizeof(context));
  return digest;
}

}  // namespace weir
