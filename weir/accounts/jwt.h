// Reading a token (JWT, RFC 7519, in JWS' compact form) by the rules of RFC 8725: what it says of itself,
// then its signature under a key of its issuer, then what it claims. Each step takes only what the one before
// let through; a header that would change what the signature means (crit, b64, zip) or bring a key along
// (jwk, jku, x5u) is refused, known or not. Pure: the caller hands in the time. Every refusal is one error
// for the caller; the operator's message says why and quotes nothing of the token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/accounts/jwk.h"
#include "weir/base/clock.h"
#include "weir/base/json.h"
#include "weir/base/settings.h"

namespace weir::accounts {

inline constexpr size_t kTokenBytesMax = 8192;
inline constexpr int64_t kClockSkewS = 60;

/// 401 invalid_token: for the caller always the same words.
Unexpected token_refused(std::string why);

/// Three parts of base64url with points between: what could be a token and nothing else. A key of weir never
/// holds a point.
bool looks_like_token(std::string_view credential);

/// A token taken apart, nothing of it believed.
struct Token {
  Algorithm algorithm = Algorithm::kHs256;
  std::optional<std::string> key_id;
  std::string type;                // the header's typ
  std::string_view signing_input;  // of the text it was read from
  std::string signature;
  json::PaddedBuffer payload;

  /// Errors: token_refused. `text` outlives the token.
  static Result<Token> read(std::string_view text, json::Parser& parser);
};

/// Who a token is about, in its issuer's words.
struct TokenSubject {
  const TokenIssuerSettings* issuer = nullptr;
  std::string tenant, team, user;
  std::vector<std::string> roles;  // of weir, as the issuer's map has them; each once
  int64_t expires_unix_s = 0;      // the claim exp
};

/// The issuer that a token names; nullopt: it names none.
std::optional<std::string> issuer_of(const json::Document& claims);

/// Requires: the signature of the document is that issuer's. Errors: token_refused.
Result<TokenSubject> subject_of(const json::Document& claims, const Token& token,
                                const TokenIssuerSettings& issuer, WallTime now);

}  // namespace weir::accounts
