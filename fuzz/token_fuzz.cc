// Tokens and key sets of strangers: whatever the bytes, no token is believed that the issuer's keys did not
// sign; a key set gives keys or a reason, and its keys refuse what they did not sign; base64url has one text
// for the same bytes. The first byte says what the rest is.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/accounts/jwt.h"
#include "weir/accounts/jwt_testing.h"

namespace {

using namespace weir;
using namespace weir::accounts;
using fuzz::check;

constexpr WallTime kNow{testing::kNowS * 1'000'000'000};

KeySet make_keys() {
  json::Parser parser;
  auto keys = KeySet::parse(testing::kKeys, KeySet::Secrets::kRefused, parser);
  check(keys.has_value());
  return *std::move(keys);
}

// The claims of a token, signed or not: who it is about is who its claims name, or nobody.
void read_claims(const Token& token, json::Parser& parser) {
  auto claims = parser.parse(token.payload.view());
  if (!claims || claims->type != json::Type::kObject) return;
  TokenIssuerSettings issuer = testing::secret_issuer();
  issuer.audiences = {"weir"};
  issuer.tenant_claim = "a.b.c";
  issuer.team_claim = "team";
  issuer.roles_claim = "roles";
  issuer.roles = {{"a", "admin"}, {"b", "viewer"}};
  auto subject = subject_of(*claims, token, issuer, kNow);
  if (!subject) {
    check(subject.error().reason == "invalid_token" && subject.error().safe == "The token is not valid.");
    return;
  }
  check(issuer_of(*claims) == issuer.issuer && claims->find("aud") && claims->find("exp"));
  check(!subject->user.empty() && subject->user.size() <= 200 && !subject->tenant.empty());
  check(subject->expires_unix_s + kClockSkewS > kNow.unix_s() && subject->roles.size() <= 2);
}

void one_token(std::string_view text) {
  static const KeySet keys = make_keys();
  json::Parser parser;
  auto token = Token::read(text, parser);
  if (!token) {
    check(token.error().reason == "invalid_token");
    return;
  }
  check(looks_like_token(text) && text.size() <= kTokenBytesMax);
  check(text.starts_with(token->signing_input) && text[token->signing_input.size()] == '.');
  check(base64url_encode(token->signature) == text.substr(token->signing_input.size() + 1));
  KeySet::Found found = keys.find(token->key_id, token->algorithm);
  check((found.key != nullptr) == (found.lookup == KeySet::Lookup::kFound));
  if (found.key && found.key->key.verify(token->algorithm, token->signing_input, token->signature)) {
    bool ours = false;
    for (std::string_view known :
         {testing::kRs256Token, testing::kPs256Token, testing::kEs256Token, testing::kEdDsaToken})
      ours = ours || known.starts_with(token->signing_input);
    check(ours);
  }
  read_claims(*token, parser);
}

void one_set(std::string_view text) {
  json::Parser parser;
  for (KeySet::Secrets secrets : {KeySet::Secrets::kRefused, KeySet::Secrets::kAllowed}) {
    auto keys = KeySet::parse(text, secrets, parser);
    if (!keys) {
      check(!keys.error().message.empty());
      continue;
    }
    check(!keys->keys().empty() && keys->keys().size() <= KeySet::kKeysMax);
    for (const TokenKey& key : keys->keys()) {
      check(secrets == KeySet::Secrets::kAllowed || key.key.kind() != SignatureKey::Kind::kSecret);
      check(!key.algorithm || key.key.can(*key.algorithm));
      check(!key.key.verify(Algorithm::kEs256, text, std::string(64, '\1')) ||
            !key.key.can(Algorithm::kHs256));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static fuzz::Cage cage;
  auto piece = cage.put({reinterpret_cast<const char*>(data) + 1, size - 1});
  std::string_view text(piece.data(), piece.size());
  switch (data[0] % 4) {
    case 0:
      one_token(text);
      break;
    case 1:
      one_set(text);
      break;
    case 2: {  // header and claims as JSON with a line between: what a fuzzer would not find behind base64
      size_t line = text.find('\n');
      if (line != std::string_view::npos)
        one_token(testing::token(text.substr(line + 1), text.substr(0, line)));
      break;
    }
    default:
      if (auto bytes = base64url_decode(text)) check(base64url_encode(*bytes) == text);
  }
  return 0;
}
