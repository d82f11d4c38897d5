// Project Wycheproof's vectors: the primitives as they are, and whole tokens and key sets through the code
// that reads those of strangers. Where weir answers otherwise on purpose, the vector is named here with the
// reason. Skipped where the data is not: a small set of our own is in jwt_test.cc.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "weir/accounts/jwt.h"
#include "weir/base/base64.h"

namespace weir::accounts {
namespace {

using simdjson::dom::element;

std::filesystem::path vectors(std::string_view file) {
  if (const char* dir = std::getenv("WEIR_DATA")) return std::filesystem::path(dir) / "security/jwt" / file;
  return std::filesystem::path(__FILE__).parent_path() / "../../../shared/data/security/jwt" / file;
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::string text_of(element at, std::string_view key) {
  return std::string(std::string_view(at[key]));
}

std::string without_leading_zero(std::string bytes) {
  while (!bytes.empty() && bytes.front() == 0)
    bytes.erase(0, 1);
  return bytes;
}

// Calls `play(group, test)` for every vector of a file.
template <class Play>
void each(std::string_view file, Play play) {
  simdjson::dom::parser parser;
  element root;
  ASSERT_EQ(parser.load(vectors(file).string()).get(root), simdjson::SUCCESS) << file;
  int64_t seen = 0;
  for (element group : root["testGroups"])
    for (element test : group["tests"]) {
      SCOPED_TRACE(std::string(file) + " " + std::to_string(int64_t(test["tcId"])) + " " +
                   text_of(test, "comment"));
      play(group, test);
      ++seen;
    }
  EXPECT_EQ(seen, int64_t(root["numberOfTests"]));
}

#define NEEDS(file)                            \
  if (!std::filesystem::exists(vectors(file))) \
  GTEST_SKIP() << "no " << file << ": the public test data is not beside the checkout (WEIR_DATA)"

bool valid(element test) {
  return text_of(test, "result") == "valid";
}

void signatures(std::string_view file, Algorithm algorithm, Result<SignatureKey> (*key_of)(element group)) {
  each(file, [&](element group, element test) {
    auto key = key_of(group);
    ASSERT_TRUE(key) << key.error().message;
    bool good = key->verify(algorithm, from_hex(text_of(test, "msg")), from_hex(text_of(test, "sig")));
    EXPECT_EQ(good, valid(test));  // "acceptable" (a padding without its NULL) is not
  });
}

Result<SignatureKey> rsa_key(element group) {
  return SignatureKey::rsa(without_leading_zero(from_hex(text_of(group["publicKey"], "modulus"))),
                           from_hex(text_of(group["publicKey"], "publicExponent")));
}

TEST(Wycheproof, RsaPkcs1) {
  NEEDS("rsa_signature_2048_sha256_test.json");
  signatures("rsa_signature_2048_sha256_test.json", Algorithm::kRs256, rsa_key);
}

TEST(Wycheproof, RsaPss) {
  NEEDS("rsa_pss_2048_sha256_mgf1_32_test.json");
  signatures("rsa_pss_2048_sha256_mgf1_32_test.json", Algorithm::kPs256, rsa_key);
}

// SHA-512 is not taken: none of these is a signature of ours, the valid ones too.
TEST(Wycheproof, RsaPkcs1WithAnotherDigestIsNone) {
  NEEDS("rsa_signature_2048_sha512_test.json");
  each("rsa_signature_2048_sha512_test.json", [](element group, element test) {
    auto key = rsa_key(group);
    ASSERT_TRUE(key) << key.error().message;
    bool ours = text_of(test, "comment") == "The message is hashed with SHA-256 instead of SHA-512.";
    for (Algorithm algorithm : {Algorithm::kRs256, Algorithm::kPs256})
      EXPECT_EQ(key->verify(algorithm, from_hex(text_of(test, "msg")), from_hex(text_of(test, "sig"))),
                ours && algorithm == Algorithm::kRs256);
  });
}

TEST(Wycheproof, EcdsaP256InP1363) {
  NEEDS("ecdsa_secp256r1_sha256_p1363_test.json");
  signatures("ecdsa_secp256r1_sha256_p1363_test.json", Algorithm::kEs256, [](element group) {
    std::string point = from_hex(text_of(group["publicKey"], "uncompressed"));
    return SignatureKey::p256(point.substr(1, 32), point.substr(33));
  });
}

TEST(Wycheproof, Ed25519) {
  NEEDS("ed25519_test.json");
  signatures("ed25519_test.json", Algorithm::kEdDsa, [](element group) {
    return SignatureKey::ed25519(from_hex(text_of(group["publicKey"], "pk")));
  });
}

// HS256 is the whole digest under a key as long as it: cut tags and short keys are refused, whoever made
// them.
TEST(Wycheproof, HmacSha256) {
  NEEDS("hmac_sha256_test.json");
  int taken = 0;
  each("hmac_sha256_test.json", [&](element group, element test) {
    auto key = SignatureKey::secret(Secret(from_hex(text_of(test, "key"))));
    bool whole = int64_t(group["tagSize"]) == 256, long_enough = int64_t(group["keySize"]) >= 256;
    ASSERT_EQ(key.has_value(), long_enough);
    if (!key) return;
    bool good =
        key->verify(Algorithm::kHs256, from_hex(text_of(test, "msg")), from_hex(text_of(test, "tag")));
    EXPECT_EQ(good, whole && valid(test));
    taken += good;
  });
  EXPECT_GT(taken, 20);
}

// ---- whole tokens: read as those of strangers are, then the signature under the group's keys

bool accepts(std::string_view keys_json, std::string_view token_text) {
  json::Parser parser;
  auto keys = KeySet::parse(keys_json, KeySet::Secrets::kAllowed, parser);
  if (!keys) return false;
  auto token = Token::read(token_text, parser);
  if (!token) return false;
  KeySet::Found found = keys->find(token->key_id, token->algorithm);
  return found.key && found.key->key.verify(token->algorithm, token->signing_input, token->signature);
}

// Of the group: its public keys, or the secret ones, as a set.
std::string keys_of(element group) {
  element keys;
  if (group["public"].get(keys) != simdjson::SUCCESS) keys = group["private"];
  std::string text = simdjson::minify(keys);
  element list;
  return keys["keys"].get(list) == simdjson::SUCCESS ? text : "{\"keys\":[" + text + "]}";
}

// `refused_on_purpose`: by number, what Wycheproof calls valid and weir does not take. `same_as_valid`: what
// it calls invalid although it is, byte for byte, a token that it calls valid.
std::map<std::string, int> check_tokens(std::string_view file, const std::set<int64_t>& refused_on_purpose,
                                        const std::map<int64_t, int64_t>& same_as_valid = {}) {
  std::map<std::string, int> count;
  std::map<int64_t, std::string> texts;
  each(file, [&](element group, element test) {
    int64_t id = int64_t(test["tcId"]);
    element token;
    if (test["jws"].get(token) != simdjson::SUCCESS) token = test["jwe"];
    // A token in the JSON serialization is an object.
    std::string text = token.is_string() ? std::string(std::string_view(token)) : simdjson::minify(token);
    texts[id] = text;
    bool good = accepts(keys_of(group), text);
    if (refused_on_purpose.contains(id)) {
      EXPECT_TRUE(valid(test) && !good) << "it need not be on the list";
      ++count["refused on purpose"];
    } else if (same_as_valid.contains(id)) {
      EXPECT_TRUE(!valid(test) && good && text == texts[same_as_valid.at(id)])
          << "it need not be on the list";
    } else {
      EXPECT_EQ(good, valid(test));
      ++count[good ? "accepted" : "refused"];
    }
  });
  for (const auto& [what, number] : count)
    std::cout << file << ": " << number << " " << what << "\n";
  return count;
}

TEST(Wycheproof, JsonWebSignatures) {
  NEEDS("json_web_signature_test.json");
  // 264-271, 320-323, 325-328: RS384, RS512, PS384, PS512. 346, 350: PS384 with a key for PS256. 347, 351:
  // ES512. 372, 373: signed over what is not base64url.
  std::set<int64_t> refused{346, 347, 350, 351, 372, 373};
  for (auto [first, last] : {std::pair{264, 271}, {320, 323}, {325, 328}})
    for (int64_t id = first; id <= last; ++id)
      refused.insert(id);
  // 367, 370: wrong padding, which this copy of the vectors has lost: they read as 357 does.
  auto count = check_tokens("json_web_signature_test.json", refused, {{367, 357}, {370, 357}});
  EXPECT_EQ(count["accepted"], 24);
  EXPECT_EQ(count["refused"], 353);
}

TEST(Wycheproof, JsonWebKeys) {
  NEEDS("json_web_key_test.json");
  auto count = check_tokens("json_web_key_test.json", {14, 15});  // HS384, HS512
  EXPECT_EQ(count["accepted"], 3);
  EXPECT_EQ(count["refused"], 21);
}

TEST(Wycheproof, JsonWebCrypto) {
  NEEDS("json_web_crypto_test.json");
  auto count = check_tokens("json_web_crypto_test.json", {50, 67});  // encrypted tokens
  EXPECT_EQ(count["accepted"], 4);
  EXPECT_EQ(count["refused"], 77);
}

TEST(Wycheproof, EncryptedTokensAreNone) {
  NEEDS("json_web_encryption_test.json");
  json::Parser parser;
  each("json_web_encryption_test.json", [&](element group, element test) {
    std::string_view text;
    if (test["jwe"].get(text) != simdjson::SUCCESS) text = std::string_view(test["jws"]);
    EXPECT_FALSE(accepts(keys_of(group), text));
    auto token = Token::read(text, parser);
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error().reason, "invalid_token");
  });
}

}  // namespace
}  // namespace weir::accounts
