// Signatures of tokens (JWS, RFC 7515 and 7518) on OpenSSL's EVP: the five algorithms that weir takes, and
// keys of which each can do what its type can do and nothing else, so that a header's "alg" never chooses how
// a key is used (RFC 8725, 3.1). Keys are values that share what is behind them; verify() is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "weir/base/result.h"
#include "weir/base/secret.h"

struct evp_pkey_st;

namespace weir::accounts {

enum class Algorithm : uint8_t { kHs256, kRs256, kPs256, kEs256, kEdDsa };

std::string_view name(Algorithm algorithm);
/// Exactly as registered: "none", "rs256" and "ES512" are nothing.
std::optional<Algorithm> algorithm_of(std::string_view text);

class SignatureKey {
 public:
  enum class Kind : uint8_t { kSecret, kRsa, kP256, kEd25519 };

  // Numbers are big-endian bytes. Errors: kConfig, why this is no key to trust.

  /// Of 2048 to 8192 bits, an odd exponent of 3 to 2^32, and not one of those that can be factored because of
  /// how they were drawn (ROCA, CVE-2017-15361).
  static Result<SignatureKey> rsa(std::string_view modulus, std::string_view exponent);
  /// A point of P-256: two coordinates of 32 bytes.
  static Result<SignatureKey> p256(std::string_view x, std::string_view y);
  static Result<SignatureKey> ed25519(std::string_view point);
  /// At least as long as the digest: 32 bytes.
  static Result<SignatureKey> secret(Secret key);

  Kind kind() const { return kind_; }
  bool can(Algorithm algorithm) const;

  /// False too when this key can not do `algorithm`.
  bool verify(Algorithm algorithm, std::string_view message, std::string_view signature) const;

 private:
  explicit SignatureKey(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::shared_ptr<evp_pkey_st> public_key_;  // shared: OpenSSL's keys are counted and never change
  Secret secret_;
};

}  // namespace weir::accounts
