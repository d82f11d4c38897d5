// What a token must be to be believed, one refusal at a time: its form, its header, its key, its claims.
// Wycheproof's vectors are in token_vectors_test.cc.
#include "weir/accounts/jwt.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/accounts/jwt_testing.h"

namespace weir::accounts {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

KeySet keys_of(std::string_view json, KeySet::Secrets secrets = KeySet::Secrets::kRefused) {
  json::Parser parser;
  auto keys = KeySet::parse(json, secrets, parser);
  EXPECT_TRUE(keys) << keys.error().message;
  return keys.value_or(KeySet());
}

std::string fault_of(std::string_view json, KeySet::Secrets secrets = KeySet::Secrets::kRefused) {
  json::Parser parser;
  auto keys = KeySet::parse(json, secrets, parser);
  return keys ? "" : keys.error().message;
}

TEST(Token, EveryAlgorithmVerifiesAndOnlyItsOwnKey) {
  KeySet keys = keys_of(testing::kKeys);
  json::Parser parser;
  for (std::string_view text :
       {testing::kRs256Token, testing::kPs256Token, testing::kEs256Token, testing::kEdDsaToken}) {
    auto token = Token::read(text, parser);
    ASSERT_TRUE(token) << token.error().message;
    KeySet::Found found = keys.find(token->key_id, token->algorithm);
    ASSERT_EQ(found.lookup, KeySet::Lookup::kFound);
    int by = 0;
    for (const TokenKey& key : keys.keys())
      for (Algorithm algorithm :
           {Algorithm::kHs256, Algorithm::kRs256, Algorithm::kPs256, Algorithm::kEs256, Algorithm::kEdDsa})
        if (key.key.verify(algorithm, token->signing_input, token->signature)) {
          EXPECT_EQ(algorithm, token->algorithm);
          EXPECT_EQ(&key, found.key);
          ++by;
        }
    EXPECT_EQ(by, 1);
    std::string other(token->signing_input);
    other.back() ^= 1;
    EXPECT_FALSE(found.key->key.verify(token->algorithm, other, token->signature));
  }
}

TEST(Token, ASignatureIsOneTextOnly) {
  KeySet keys = keys_of(testing::kKeys);
  json::Parser parser;
  auto token = Token::read(testing::kEs256Token, parser);
  ASSERT_TRUE(token);
  const SignatureKey& key = keys.find("ec", Algorithm::kEs256).key->key;
  auto verify = [&](std::string_view signature) {
    return key.verify(Algorithm::kEs256, token->signing_input, signature);
  };
  EXPECT_TRUE(verify(token->signature));
  EXPECT_FALSE(verify(token->signature + std::string(1, '\0')));
  EXPECT_FALSE(verify(std::string(1, '\0') + token->signature));
  EXPECT_FALSE(verify(std::string(64, '\0')));  // r = s = 0 (CVE-2022-21449)
  EXPECT_FALSE(verify(std::string(64, '\xff')));
  EXPECT_FALSE(verify(""));
  // The same two numbers as DER, as X.509 has them.
  EXPECT_FALSE(
      verify("\x30\x44\x02\x20" + token->signature.substr(0, 32) + "\x02\x20" + token->signature.substr(32)));
}

std::string why(std::string_view text) {
  json::Parser parser;
  auto token = Token::read(text, parser);
  if (token) return "";
  EXPECT_EQ(token.error().code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(token.error().reason, "invalid_token");
  EXPECT_EQ(token.error().for_caller(), "The token is not valid.");
  return token.error().message;
}

std::string why_header(std::string_view header) {
  return why(testing::token("{}", header));
}

TEST(Token, FormIsStrict) {
  EXPECT_EQ(why(testing::token("{}")), "");
  for (std::string_view text : {"", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c.d.e"})
    EXPECT_NE(why(text), "") << text;
  std::string good = testing::token("{}");
  EXPECT_THAT(why(good + "="), HasSubstr("base64url"));
  EXPECT_THAT(why(good + "."), HasSubstr("three parts"));
  EXPECT_THAT(why(" " + good), HasSubstr("base64url"));
  EXPECT_THAT(why(std::string(1 << 20, 'a')), HasSubstr("8 KiB"));
  EXPECT_THAT(why(R"({"payload":"e30","signatures":[]})"), HasSubstr("three parts"));
}

TEST(Token, HeaderIsStrict) {
  for (std::string_view alg :
       {"none", "None", "nOnE", "NONE", "", "rs256", "RS384", "ES512", "HS512", "ES256K"})
    EXPECT_THAT(why_header(fmt::format(R"({{"alg":"{}"}})", alg)), HasSubstr("algorithm")) << alg;
  EXPECT_THAT(why_header(R"({})"), HasSubstr("algorithm"));
  EXPECT_THAT(why_header(R"({"alg":["HS256"]})"), HasSubstr("algorithm"));
  EXPECT_THAT(why_header(R"({"alg":"HS256","alg":"none"})"), HasSubstr("JSON"));
  EXPECT_THAT(why_header(R"(["HS256"])"), HasSubstr("JSON"));
  EXPECT_THAT(why_header(R"({"alg":"HS256",)"), HasSubstr("JSON"));
  for (std::string_view member :
       {R"("crit":["exp"])", R"("crit":[])", R"("b64":false)", R"("b64":true)", R"("zip":"DEF")",
        R"("jwk":{})", R"("jku":"https://evil.test")", R"("x5u":"https://evil.test")"})
    EXPECT_THAT(why_header(fmt::format(R"({{"alg":"HS256",{}}})", member)), HasSubstr("header holds"))
        << member;
  EXPECT_THAT(why_header(R"({"alg":"HS256","kid":7})"), HasSubstr("name of its key"));
  EXPECT_THAT(why_header(fmt::format(R"({{"alg":"HS256","kid":"{}"}})", std::string(257, 'k'))),
              HasSubstr("name of its key"));
  EXPECT_THAT(why_header(R"({"alg":"HS256","typ":1})"), HasSubstr("type"));
  EXPECT_EQ(why_header(R"({"alg":"HS256","kid":"../../etc/passwd","x5t":"a","cty":"b"})"), "");
}

TEST(Token, LooksLikeOneOrNot) {
  EXPECT_TRUE(looks_like_token(testing::kEs256Token));
  EXPECT_TRUE(looks_like_token("a.b."));
  EXPECT_TRUE(looks_like_token("a.b.c.d.e"));  // encrypted: refused as a token, not as a key
  for (std::string_view text : {"sk-1234", "wr_live_abc", "a.b", ".b.c", "", "a b.c.d", "a.b.c/d"})
    EXPECT_FALSE(looks_like_token(text)) << text;
}

// ---- keys

constexpr std::string_view kP256 =
    R"("kty":"EC","crv":"P-256","x":"PfpTESa3NXAHtLPIGMGafm0Wz28k7mwf8wasw1nZkXE","y":"Gpeyki1XI5bTo43nTts8xvkkYHUe6dOYbav3sqyPNAE")";

TEST(KeySet, TakesWhatItCanUseAndSaysWhatItLeavesOut) {
  KeySet keys = keys_of(testing::kKeys);
  ASSERT_EQ(keys.keys().size(), 3u);
  EXPECT_THAT(keys.left_out(), IsEmpty());
  keys = keys_of(fmt::format(
      R"({{"keys":[{{{0},"kid":"a"}},{{{0},"kid":"b","use":"enc"}},{{{0},"kid":"c","key_ops":["sign"]}},
      {{{0},"kid":"d","alg":"ES512"}},{{{0},"kid":"e","alg":"RS256"}},{{{0},"kid":"f","d":"AAAA"}},{{"kty":"what"}},
      {{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"g"}}],"other":1}})",
      kP256));
  ASSERT_EQ(keys.keys().size(), 1u);
  EXPECT_EQ(keys.keys()[0].id, "a");
  EXPECT_THAT(keys.left_out(), ElementsAre(HasSubstr("can not do"), HasSubstr("private"), HasSubstr("2048")));
}

TEST(KeySet, RefusesWhatIsNoSetOrAmbiguous) {
  EXPECT_THAT(fault_of("[]"), HasSubstr("no list"));
  EXPECT_THAT(fault_of(R"({"keys":{}})"), HasSubstr("no list"));
  EXPECT_THAT(fault_of(R"({"keys":[],"keys":[]})"), HasSubstr("twice"));
  EXPECT_THAT(fault_of(R"({"keys":[]})"), HasSubstr("no key"));
  EXPECT_THAT(fault_of(R"({"keys":[1]})"), HasSubstr("no object"));
  EXPECT_THAT(fault_of(std::string(300 << 10, ' ')), HasSubstr("256 KiB"));
  std::string many = "{\"keys\":[";
  for (int i = 0; i < 65; ++i)
    many += fmt::format(R"({}{{{},"kid":"{}"}})", i ? "," : "", kP256, i);
  EXPECT_THAT(fault_of(many + "]}"), HasSubstr("64 keys"));
  EXPECT_THAT(fault_of(fmt::format(R"({{"keys":[{{{0},"kid":"a"}},{{{0},"kid":"a"}}]}})", kP256)),
              HasSubstr("name of another"));
  constexpr std::string_view kOct =
      R"({"kty":"oct","kid":"s","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"})";
  EXPECT_THAT(fault_of(fmt::format(R"({{"keys":[{}]}})", kOct)), HasSubstr("publishes a secret"));
  EXPECT_EQ(fault_of(fmt::format(R"({{"keys":[{}]}})", kOct), KeySet::Secrets::kAllowed), "");
  EXPECT_THAT(
      fault_of(fmt::format(R"({{"keys":[{},{{{},"kid":"a"}}]}})", kOct, kP256), KeySet::Secrets::kAllowed),
      HasSubstr("mixes"));
}

TEST(KeySet, FindsByNameOrTheOnlyOneThatCan) {
  KeySet keys = keys_of(testing::kKeys);
  using enum KeySet::Lookup;
  EXPECT_EQ(keys.find("ec", Algorithm::kEs256).lookup, kFound);
  EXPECT_EQ(keys.find("ec", Algorithm::kRs256).lookup, kWrongAlgorithm);
  EXPECT_EQ(keys.find("rsa", Algorithm::kHs256).lookup, kWrongAlgorithm);
  EXPECT_EQ(keys.find("EC", Algorithm::kEs256).lookup, kUnknown);
  EXPECT_EQ(keys.find("", Algorithm::kEs256).lookup, kUnknown);
  EXPECT_EQ(keys.find(std::nullopt, Algorithm::kEs256).lookup, kFound);
  EXPECT_EQ(keys.find(std::nullopt, Algorithm::kHs256).lookup, kUnknown);
  KeySet two = keys_of(fmt::format(R"({{"keys":[{{{0},"kid":"a"}},{{{0},"kid":"b"}}]}})", kP256));
  EXPECT_EQ(two.find(std::nullopt, Algorithm::kEs256).lookup, kUnknown);
}

TEST(SignatureKey, RefusesWeakKeys) {
  auto fault = [](Result<SignatureKey> key) { return key ? "" : key.error().message; };
  std::string modulus(256, '\xff');
  EXPECT_THAT(fault(SignatureKey::rsa(modulus.substr(1), "\x01\x01\x01")), HasSubstr("2048"));
  EXPECT_THAT(fault(SignatureKey::rsa(modulus, "\x01")), HasSubstr("exponent 1"));
  EXPECT_THAT(fault(SignatureKey::rsa(modulus, "\x04")), HasSubstr("even"));
  EXPECT_THAT(fault(SignatureKey::rsa(std::string(1025, '\xff'), "\x03")), HasSubstr("8192"));
  EXPECT_THAT(fault(SignatureKey::rsa("", "")), HasSubstr("2048"));
  EXPECT_THAT(fault(SignatureKey::p256(std::string(32, 'x'), std::string(32, 'y'))), HasSubstr("no point"));
  EXPECT_THAT(fault(SignatureKey::p256("", "")), HasSubstr("32 bytes"));
  EXPECT_THAT(fault(SignatureKey::ed25519(std::string(31, 'x'))), HasSubstr("32 bytes"));
  EXPECT_THAT(fault(SignatureKey::secret(Secret(std::string(31, 'x')))), HasSubstr("32 bytes"));
}

// ---- claims

std::string claims_with(std::string_view more) {
  return fmt::format(R"({{"iss":"https://id.test","sub":"ada"{}{}}})", more.empty() ? "" : ",", more);
}

Result<TokenSubject> subject(std::string_view claims, const TokenIssuerSettings& issuer,
                             std::string_view header = R"({"alg":"HS256"})") {
  json::Parser parser;
  std::string text = testing::token(claims, header);
  auto token = Token::read(text, parser);
  EXPECT_TRUE(token);
  json::PaddedBuffer bytes(claims);
  auto document = parser.parse(bytes.view());
  EXPECT_TRUE(document);
  return subject_of(*document, *token, issuer, WallTime{testing::kNowS * 1'000'000'000});
}

std::string refusal(std::string_view more, TokenIssuerSettings issuer = testing::secret_issuer()) {
  auto made = subject(claims_with(more), issuer);
  if (!made) EXPECT_EQ(made.error().reason, "invalid_token");
  return made ? "" : made.error().message;
}

TEST(Claims, Times) {
  auto exp = [](int64_t from_now) { return fmt::format(R"("exp":{})", testing::kNowS + from_now); };
  EXPECT_EQ(refusal(exp(1)), "");
  EXPECT_EQ(refusal(exp(-59)), "");
  EXPECT_THAT(refusal(exp(-60)), HasSubstr("expired"));
  EXPECT_THAT(refusal(""), HasSubstr("no time of expiry"));
  for (std::string_view odd : {R"("exp":"4102444800")", R"("exp":null)", R"("exp":1e400)",
                               R"("exp":[4102444800])", R"("exp":1e300)"})
    EXPECT_THAT(refusal(odd), HasSubstr("no time of expiry")) << odd;
  EXPECT_EQ(refusal(R"("exp":4102444800.75)"), "");
  EXPECT_EQ(refusal(exp(9) + fmt::format(R"(,"nbf":{})", testing::kNowS + 60)), "");
  EXPECT_THAT(refusal(exp(9) + fmt::format(R"(,"nbf":{})", testing::kNowS + 61)), HasSubstr("not valid yet"));
  EXPECT_THAT(refusal(exp(9) + R"(,"nbf":"x")"), HasSubstr("not valid yet"));
  EXPECT_THAT(refusal(exp(9) + R"(,"iat":"x")"), HasSubstr("time of issue"));
}

TEST(Claims, IssuerAudienceTypeAndUser) {
  constexpr std::string_view kExp = R"("exp":4102444800)";
  TokenIssuerSettings issuer = testing::secret_issuer();
  auto with = [&](std::string_view more) { return refusal(fmt::format("{},{}", kExp, more), issuer); };
  issuer.audiences = {"weir", "other"};
  EXPECT_EQ(with(R"("aud":"weir")"), "");
  EXPECT_EQ(with(R"("aud":["x","other"])"), "");
  for (std::string_view aud : {R"("aud":"wei")", R"("aud":"weir ")", R"("aud":[])", R"("aud":["x"])",
                               R"("aud":{"weir":1})", R"("aud":[["weir"]])"})
    EXPECT_THAT(with(aud), HasSubstr("somebody else")) << aud;
  EXPECT_THAT(refusal(kExp, issuer), HasSubstr("somebody else"));

  issuer = testing::secret_issuer();
  issuer.issuer = "https://id.test/";
  EXPECT_THAT(refusal(kExp, issuer), HasSubstr("another issuer"));
  issuer = testing::secret_issuer();
  issuer.type = "at+jwt";
  EXPECT_THAT(refusal(kExp, issuer), HasSubstr("another type"));
  auto typed = [&](std::string_view type) {
    return subject(claims_with(kExp), issuer, fmt::format(R"({{"alg":"HS256","typ":"{}"}})", type))
        .has_value();
  };
  EXPECT_TRUE(typed("at+jwt"));
  EXPECT_TRUE(typed("AT+JWT"));
  EXPECT_TRUE(typed("application/at+jwt"));
  EXPECT_FALSE(typed("JWT"));

  issuer = testing::secret_issuer();
  issuer.user_claim = "email";
  EXPECT_THAT(with(R"("mail":"a@b")"), HasSubstr("email"));
  for (std::string_view odd :
       {R"("email":7)", R"("email":"")", R"("email":"a\nb")", R"("email":"\u00e4")", R"("email":null)"})
    EXPECT_THAT(with(odd), HasSubstr("email")) << odd;
  EXPECT_EQ(with(R"("email":"ada@id.test")"), "");
}

TEST(Claims, TenantTeamAndRolesAreMapped) {
  TokenIssuerSettings issuer = testing::secret_issuer();
  issuer.tenant_claim = "org.id";
  issuer.team_claim = "https://id.test/team";
  issuer.roles_claim = "realm_access.roles";
  issuer.roles = {{"weir-admins", "admin"}, {"ops", "operator"}, {"root", "admin"}};
  constexpr std::string_view kClaims =
      R"("exp":4102444800,"org":{"id":"t1"},"https://id.test/team":"red","realm_access":{"roles":["root","nobody","ops","weir-admins",7]})";
  auto made = subject(claims_with(kClaims), issuer);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->tenant, "t1");
  EXPECT_EQ(made->team, "red");
  EXPECT_EQ(made->user, "ada");
  EXPECT_EQ(made->expires_unix_s, 4102444800);
  EXPECT_THAT(made->roles, ElementsAre("admin", "operator"));

  EXPECT_THAT(refusal(R"("exp":4102444800)", issuer), HasSubstr("org.id"));
  EXPECT_THAT(refusal(R"("exp":4102444800,"org":"t1")", issuer), HasSubstr("org.id"));
  EXPECT_THAT(refusal(R"("exp":4102444800,"org":{"id":"t1"},"https://id.test/team":["red"])", issuer),
              HasSubstr("team"));
  made = subject(claims_with(R"("exp":4102444800,"org":{"id":"t1"},"realm_access":{"roles":"ops"})"), issuer);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->team, "");
  EXPECT_THAT(made->roles, ElementsAre("operator"));

  issuer = testing::secret_issuer();
  issuer.tenant = "fixed";
  made = subject(claims_with(R"("exp":4102444800,"tenant":"mine","roles":["admin"])"), issuer);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->tenant, "fixed");
  EXPECT_THAT(made->roles, IsEmpty());
}

}  // namespace
}  // namespace weir::accounts
