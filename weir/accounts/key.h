// The text of a key: wr_<env>_ + 8 digits key id + 32 digits secret + 6 digits checksum, all base 62. The id
// is no secret and names the key in lists; the secret is 190 bits; the checksum (CRC-32C of all before it)
// lets a scanner tell a leaked key from noise, and lets a mistyped one be refused without looking anything
// up. Stores hold HMAC-SHA256(pepper, text) only. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/secret.h"
#include "weir/io/random.h"

namespace weir::accounts {

inline constexpr size_t kKeyIdBytes = 8;

enum class KeyShape : uint8_t {
  kOther,    // no key of accounts: the configuration's, a token, anything
  kDamaged,  // one with a wrong checksum
  kKey,
};
struct KeyText {
  KeyShape shape = KeyShape::kOther;
  std::string_view id;  // kKey
};
KeyText read_key(std::string_view text);

/// A new key for `id`; an empty one: a new id too. `env`: 1 to 16 of a-z and 0-9.
struct NewKey {
  std::string id;
  Secret text;
  std::string last4;
};
NewKey make_key(io::Random& random, std::string_view env = "live", std::string_view id = {});

/// "usr_" and 12 random digits of base 62: the id of a tenant, a team, a user.
std::string new_account_id(io::Random& random, std::string_view prefix);

/// The id as a number; every id has its own.
uint64_t key_number(std::string_view id);

}  // namespace weir::accounts
