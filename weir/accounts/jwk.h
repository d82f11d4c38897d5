// A set of keys as issuers publish it (JWK Set, RFC 7517): what of it weir would trust. A key for something
// else (encryption, another algorithm) is left out, and so is one that is broken, weak, private or has a name
// that another has; a set that mixes secrets with public keys is refused whole. Values; thread-safe as values
// are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/accounts/jws.h"
#include "weir/base/json.h"

namespace weir::accounts {

struct TokenKey {
  std::string id;                      // kid; empty: it has none
  std::optional<Algorithm> algorithm;  // the only one it is for; nullopt: what its type can do
  SignatureKey key;
};

class KeySet {
 public:
  static constexpr size_t kBytesMax = 256 << 10;
  static constexpr size_t kKeysMax = 64;
  /// kAllowed: of a file that nobody else reads; what is published holds no secret.
  enum class Secrets : uint8_t { kRefused, kAllowed };

  KeySet() = default;
  explicit KeySet(std::vector<TokenKey> keys) : keys_(std::move(keys)) {}
  /// Errors: kConfig, with what is wrong for the operator; also when no key of it can be used.
  static Result<KeySet> parse(std::string_view json, Secrets secrets, json::Parser& parser);

  enum class Lookup : uint8_t { kFound, kUnknown, kWrongAlgorithm };
  struct Found {
    Lookup lookup = Lookup::kUnknown;
    const TokenKey* key = nullptr;  // kFound; lives as long as the set
  };
  /// The key of this name; without a name, the only one that can do `algorithm`.
  Found find(const std::optional<std::string>& id, Algorithm algorithm) const;

  const std::vector<TokenKey>& keys() const { return keys_; }
  /// Keys of the set that were left out although they are for signatures of ours: one sentence each, without
  /// a byte of theirs.
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  std::vector<TokenKey> keys_;
  std::vector<std::string> left_out_;
};

}  // namespace weir::accounts
