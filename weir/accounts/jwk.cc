#include "weir/accounts/jwk.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/base64.h"

namespace weir::accounts {
namespace {

constexpr size_t kIdBytesMax = 256;

std::string text_of(const json::Members& key, std::string_view member) {
  const json::Value* value = key.find(member);
  return value ? value->as_string().value_or("") : "";
}

/// The bytes of a base64url member; empty: missing or malformed.
std::string bytes_of(const json::Members& key, std::string_view member) {
  return base64url_decode(text_of(key, member)).value_or("");
}

bool is_for_signatures(const json::Members& key) {
  if (key.find("use") && text_of(key, "use") != "sig") return false;
  const json::Value* operations = key.find("key_ops");
  if (!operations) return true;
  if (operations->type != json::Type::kArray) return false;
  return std::ranges::any_of(json::elements_of(operations->raw),
                             [](const json::Value& v) { return v.is_string("verify"); });
}

/// nullopt: a type or curve that weir has no use for.
std::optional<Result<SignatureKey>> key_of(const json::Members& key) {
  std::string type = text_of(key, "kty"), curve = text_of(key, "crv");
  if (type == "RSA") return SignatureKey::rsa(bytes_of(key, "n"), bytes_of(key, "e"));
  if (type == "EC" && curve == "P-256") return SignatureKey::p256(bytes_of(key, "x"), bytes_of(key, "y"));
  if (type == "OKP" && curve == "Ed25519") return SignatureKey::ed25519(bytes_of(key, "x"));
  if (type == "oct") return SignatureKey::secret(Secret(bytes_of(key, "k")));
  return std::nullopt;
}

// An issuer that publishes its private key: whoever read it signs as the issuer does.
bool is_private(const json::Members& key) {
  return key.find("d") != nullptr && text_of(key, "kty") != "oct";
}

}  // namespace

Result<KeySet> KeySet::parse(std::string_view text, Secrets secrets, json::Parser& parser) {
  auto no_set = [](const char* why) { return fail_internal(ErrorCode::kConfig, why); };
  if (text.size() > kBytesMax) return no_set("the key set is larger than 256 KiB");
  json::PaddedBuffer buffer(text);
  auto document = parser.parse(buffer.view());
  if (!document) return no_set("the key set is not JSON, or holds a member twice");
  const json::Value* list = document->find("keys");
  if (document->type != json::Type::kObject || !list || list->type != json::Type::kArray)
    return no_set("the key set has no list \"keys\"");
  std::vector<json::Value> entries = json::elements_of(list->raw);
  if (entries.size() > kKeysMax) return no_set("the key set has more than 64 keys");

  KeySet set;
  std::vector<std::string> ids;  // of every key, used or not
  size_t secret_keys = 0;
  for (const json::Value& entry : entries) {
    if (entry.type != json::Type::kObject) return no_set("a key of the set is no object");
    json::Members members = json::members_of(entry.raw);
    if (text_of(members, "kty") == "oct") ++secret_keys;
    std::string id = text_of(members, "kid");
    if (!id.empty()) ids.push_back(id);
    if (!is_for_signatures(members)) continue;
    std::optional<Algorithm> algorithm;
    if (members.find("alg") && !(algorithm = algorithm_of(text_of(members, "alg")))) continue;
    auto skip = [&](std::string_view why) {
      set.left_out_.push_back(fmt::format("key {} of the set: {}", ids.size(), why));
    };
    if (id.size() > kIdBytesMax) {
      skip("its name is longer than 256 bytes");
    } else if (is_private(members)) {
      skip("it is published with its private part");
    } else if (auto key = key_of(members); key && !*key) {
      skip(key->error().message);
    } else if (key && algorithm && !(*key)->can(*algorithm)) {
      skip("its type can not do its algorithm");
    } else if (key) {
      set.keys_.push_back({std::move(id), algorithm, **std::move(key)});
    }
  }
  if (secret_keys > 0 && secrets == Secrets::kRefused) return no_set("the key set publishes a secret");
  if (secret_keys > 0 && secret_keys < entries.size())
    return no_set("the key set mixes secrets and public keys");
  // Of two keys with one name, nobody can tell which was meant.
  std::erase_if(set.keys_, [&](const TokenKey& key) {
    bool twice = !key.id.empty() && std::ranges::count(ids, key.id) > 1;
    if (twice) set.left_out_.push_back("a key of the set has the name of another");
    return twice;
  });
  if (set.keys_.empty())
    return fail_internal(ErrorCode::kConfig, set.left_out_.empty()
                                                 ? "no key of the set is for signatures that weir takes"
                                                 : "no key of the set can be used: " + set.left_out_.front());
  return set;
}

KeySet::Found KeySet::find(const std::optional<std::string>& id, Algorithm algorithm) const {
  auto does = [&](const TokenKey& key) {
    return key.algorithm ? *key.algorithm == algorithm : key.key.can(algorithm);
  };
  const TokenKey* found = nullptr;
  for (const TokenKey& key : keys_) {
    if (id ? key.id != *id : !does(key)) continue;
    if (found) return {};  // without a name: more than one could be meant
    found = &key;
  }
  if (!found) return {};
  if (!does(*found)) return {Lookup::kWrongAlgorithm};
  return {Lookup::kFound, found};
}

}  // namespace weir::accounts
