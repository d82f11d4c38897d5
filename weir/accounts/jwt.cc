#include "weir/accounts/jwt.h"

#include <algorithm>
#include <cmath>

#include "weir/base/base64.h"
#include "weir/base/header.h"

namespace weir::accounts {
namespace {

constexpr size_t kKeyIdBytesMax = 256;
constexpr size_t kNameBytesMax = 200;
constexpr size_t kRolesMax = 256;

constexpr std::string_view kRefusedHeaders[] = {"crit", "b64", "zip", "jwk", "jku", "x5u"};

bool is_base64url(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A claim by its name; a name with dots that no claim has is a path into objects ("realm_access.roles").
std::optional<json::Value> claim(const json::Document& claims, std::string_view name) {
  if (const json::Value* value = claims.find(name)) return *value;
  size_t dot = name.find('.');
  const json::Value* outer = dot == std::string_view::npos ? nullptr : claims.find(name.substr(0, dot));
  if (!outer) return std::nullopt;
  json::Value value = *outer;
  while (dot != std::string_view::npos) {
    if (value.type != json::Type::kObject) return std::nullopt;
    name.remove_prefix(dot + 1);
    dot = name.find('.');
    auto inner = json::find_in(value.raw, name.substr(0, dot));
    if (!inner) return std::nullopt;
    value = *inner;
  }
  return value;
}

// Names end up in logs, metrics and headers.
std::optional<std::string> name_in(const std::optional<json::Value>& value) {
  if (!value) return std::nullopt;
  std::optional<std::string> text = value->as_string();
  if (!text || text->empty() || text->size() > kNameBytesMax) return std::nullopt;
  bool printable = std::ranges::all_of(*text, [](char c) { return c >= ' ' && c < 0x7f; });
  return printable ? text : std::nullopt;
}

Result<std::string> required_name(const json::Document& claims, const std::string& which) {
  std::optional<std::string> text = name_in(claim(claims, which));
  if (!text)
    return token_refused("the claim " + which + " is missing, or no printable text of 1 to 200 bytes");
  return *std::move(text);
}

/// Seconds since 1970, rounded down; nullopt: no time.
std::optional<int64_t> time_in(const json::Value& value) {
  std::optional<double> seconds = value.type == json::Type::kNumber ? value.as_double() : std::nullopt;
  if (!seconds || !(std::abs(*seconds) < 1e15)) return std::nullopt;
  return static_cast<int64_t>(std::floor(*seconds));
}

Result<int64_t> check_times(const json::Document& claims, WallTime now) {
  const json::Value* expires = claims.find("exp");
  std::optional<int64_t> end = expires ? time_in(*expires) : std::nullopt;
  if (!end) return token_refused("it has no time of expiry");
  if (now.unix_s() >= *end + kClockSkewS) return token_refused("it has expired");
  if (const json::Value* not_before = claims.find("nbf")) {
    std::optional<int64_t> begin = time_in(*not_before);
    if (!begin || now.unix_s() < *begin - kClockSkewS) return token_refused("it is not valid yet");
  }
  if (const json::Value* issued = claims.find("iat"); issued && !time_in(*issued))
    return token_refused("its time of issue is no time");
  return *end;
}

bool is_for(const json::Document& claims, const std::vector<std::string>& audiences) {
  const json::Value* aud = claims.find("aud");
  if (!aud) return false;
  auto ours = [&](const json::Value& value) {
    return std::ranges::any_of(audiences,
                               [&](const std::string& audience) { return value.is_string(audience); });
  };
  if (aud->type == json::Type::kString) return ours(*aud);
  return aud->type == json::Type::kArray && std::ranges::any_of(json::elements_of(aud->raw), ours);
}

// RFC 7515, 4.1.9: "application/" may be left out.
bool is_type(std::string_view type, std::string_view wanted) {
  constexpr std::string_view kPrefix = "application/";
  for (std::string_view* text : {&type, &wanted})
    if (text->size() > kPrefix.size() && iequals(text->substr(0, kPrefix.size()), kPrefix))
      text->remove_prefix(kPrefix.size());
  return iequals(type, wanted);
}

std::vector<std::string> roles_in(const json::Document& claims, const TokenIssuerSettings& issuer) {
  std::vector<std::string> roles;
  std::optional<json::Value> value =
      issuer.roles_claim.empty() ? std::nullopt : claim(claims, issuer.roles_claim);
  if (!value) return roles;
  std::vector<json::Value> words{*value};
  if (value->type == json::Type::kArray) words = json::elements_of(value->raw);
  if (words.size() > kRolesMax) words.resize(kRolesMax);
  for (const json::Value& word : words) {
    auto role = issuer.roles.find(word.as_string().value_or(""));
    if (role != issuer.roles.end() && std::ranges::find(roles, role->second) == roles.end())
      roles.push_back(role->second);
  }
  return roles;
}

}  // namespace

Unexpected token_refused(std::string why) {
  Error error = make_error(ErrorCode::kUnauthenticated, "The token is not valid.", {}, "invalid_token");
  error.safe = error.message;
  error.message = "a token was refused: " + std::move(why);
  return Unexpected(std::move(error));
}

bool looks_like_token(std::string_view credential) {
  size_t first = credential.find('.'), second = credential.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  return first > 0 &&
         std::ranges::all_of(credential, [](char c) { return is_base64url(c) || c == '.' || c == '='; });
}

Result<Token> Token::read(std::string_view text, json::Parser& parser) {
  if (text.size() > kTokenBytesMax) return token_refused("it is longer than 8 KiB");
  size_t first = text.find('.');
  size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos)
    return token_refused("it does not have three parts");
  auto header_text = base64url_decode(text.substr(0, first));
  auto payload_text = base64url_decode(text.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(text.substr(second + 1));
  if (!header_text || !payload_text || !signature) return token_refused("a part of it is not base64url");

  json::PaddedBuffer header_bytes(*header_text);
  auto header = parser.parse(header_bytes.view());
  if (!header || header->type != json::Type::kObject) return token_refused("its header is no JSON object");
  for (std::string_view name : kRefusedHeaders)
    if (header->find(name)) return token_refused("its header holds " + std::string(name));
  Token token;
  const json::Value* alg = header->find("alg");
  std::optional<Algorithm> algorithm = algorithm_of(alg ? alg->as_string().value_or("") : "");
  if (!algorithm) return token_refused("its algorithm is none that weir takes");
  token.algorithm = *algorithm;
  if (const json::Value* kid = header->find("kid")) {
    token.key_id = kid->as_string();
    if (!token.key_id || token.key_id->size() > kKeyIdBytesMax)
      return token_refused("the name of its key is no text of at most 256 bytes");
  }
  if (const json::Value* typ = header->find("typ")) {
    std::optional<std::string> type = typ->as_string();
    if (!type) return token_refused("its type is no text");
    token.type = *std::move(type);
  }
  token.signing_input = text.substr(0, second);
  token.signature = *std::move(signature);
  token.payload = json::PaddedBuffer(*payload_text);
  return token;
}

std::optional<std::string> issuer_of(const json::Document& claims) {
  const json::Value* iss = claims.find("iss");
  return iss ? iss->as_string() : std::nullopt;
}

Result<TokenSubject> subject_of(const json::Document& claims, const Token& token,
                                const TokenIssuerSettings& issuer, WallTime now) {
  TokenSubject subject{.issuer = &issuer, .tenant = issuer.tenant};
  TRY(subject.expires_unix_s, check_times(claims, now));
  if (issuer_of(claims) != issuer.issuer) return token_refused("it is another issuer's");
  if (!issuer.audiences.empty() && !is_for(claims, issuer.audiences))
    return token_refused("it is for somebody else");
  if (!issuer.type.empty() && !is_type(token.type, issuer.type))
    return token_refused("it is of another type");
  TRY(subject.user, required_name(claims, issuer.user_claim));
  if (!issuer.tenant_claim.empty()) {
    TRY(subject.tenant, required_name(claims, issuer.tenant_claim));
  }
  // Without the claim: of no team. With something else in it: whose limits would hold?
  if (!issuer.team_claim.empty() && claim(claims, issuer.team_claim)) {
    TRY(subject.team, required_name(claims, issuer.team_claim));
  }
  subject.roles = roles_in(claims, issuer);
  return subject;
}

}  // namespace weir::accounts
