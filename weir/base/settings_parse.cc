// parse_settings: the shape of weir.yaml, section by section, then what only the whole can tell (a target
// whose provider is not there, two keys that are the same). One file: the sections are read by one reader in
// the order of the page, and checked against each other at its end.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "weir/base/fetch_url.h"
#include "weir/base/header.h"
#include "weir/base/money.h"
#include "weir/base/service.h"
#include "weir/base/settings.h"
#include "weir/base/settings_section.h"

namespace weir {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 0x7f && c != '*' && c != '"' && c != '\\';
  });
}

bool is_pattern(std::string_view text) {
  if (text.ends_with('*')) text.remove_suffix(1);
  return text.empty() || is_name(text);
}

/// What is wrong with an address to listen on (the grammar of io::Address); empty: nothing.
std::string_view address_fault(std::string_view text) {
  if (text.starts_with("unix:")) {
    bool good = text.substr(5).starts_with('/') && text.size() <= 105;
    return good ? "" : "after unix: comes an absolute path of at most 100 characters";
  }
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return "must be host:port, [v6]:port or unix:/path";
  std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
  uint16_t number = 0;
  auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || stop != port.data() + port.size())
    return "the port must be a number from 0 to 65535";
  // A URL's host is the same grammar.
  if (host.empty()) return "the host is missing (0.0.0.0 listens everywhere)";
  return BaseUrl::parse(fmt::format("http://{}", host)) && !host.contains('/')
             ? ""
             : "the host must be a name, an IPv4 address or an IPv6 address in brackets";
}

// Headers weir writes itself, or that belong to one connection.
bool is_reserved_header(std::string_view name) {
  static constexpr std::string_view kReserved[] = {
      "host",       "content-length", "content-type",     "content-encoding",    "authorization",
      "connection", "keep-alive",     "proxy-connection", "proxy-authorization", "proxy-authenticate",
      "te",         "trailer",        "trailers",         "transfer-encoding",   "upgrade",
      "expect",     "accept-encoding"};
  return std::ranges::any_of(kReserved, [&](std::string_view r) { return iequals(r, name); });
}

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

template <class Range, class Value, class Projection = std::identity>
bool contains(const Range& range, const Value& value, Projection projection = {}) {
  return std::ranges::find(range, value, projection) != std::ranges::end(range);
}

// Where a provider of this kind is unless the configuration says otherwise; empty: it must say.
std::string_view standard_base_url(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kAnthropic:
      return "https://api.anthropic.com";
    case ProviderKind::kOllama:
      return "http://127.0.0.1:11434";
    case ProviderKind::kGemini:
      return "https://generativelanguage.googleapis.com/v1beta";
    default:
      return {};
  }
}

constexpr const char* kNameFault = "must be printable ASCII without spaces, quotes, \\ or *";

class Parser {
 public:
  explicit Parser(const SettingsSources& sources) : reader_(sources) {}

  SettingsOutcome parse(const YamlNode& root) {
    Settings settings;
    SettingsSection top(reader_, {&root, ""}, "");
    read_server(top.section("server"), settings.server);
    read_auth(top.section("auth"), settings.auth);
    read_providers(top, settings);
    read_models(top, settings);
    read_registry(top, settings);
    read_failing(top, settings);
    read_accounts(top, settings);
    read_shared(top, settings);
    SettingsSection log = top.section("log");
    log.read_choice("level", settings.log.level);
    log.read("file", settings.log.file);
    log.read("requests", settings.log.requests);
    SettingsSection metrics = top.section("metrics");
    metrics.read("enabled", settings.metrics.enabled);
    if (metrics.has("listen")) read_address(metrics.at("listen"), settings.metrics.listen.emplace());
    read_data(top, settings);
    read_alerts(top.section("alerts"), settings.alerts);
    read_features(top);
    if (reader_.clean()) return {std::move(settings), {}};
    return {std::nullopt, reader_.take_problems()};
  }

 private:
  // ---- pieces

  /// A text of a list's entry, or of a key, that must satisfy `good`; false after a problem.
  template <class Good>
  bool read_text(const SettingsPlace& at, std::string& out, Good good, const char* fault) {
    std::optional<std::string> text = reader_.bounded_text(at, 1, kNameBytesMax);
    if (!text) return false;
    if (!good(*text)) {
      reader_.problem(at, fault);
      return false;
    }
    out = *std::move(text);
    return true;
  }

  bool read_name(SettingsSection& section, std::string_view key, std::string& out) {
    return section.has(key) && read_text(section.at(key), out, is_name, kNameFault);
  }

  std::vector<std::string> read_patterns(SettingsSection& section) {
    std::vector<std::string> patterns;
    for (const SettingsPlace& place : section.list("models")) {
      std::string pattern;
      if (!read_text(place, pattern, is_pattern, "must be a model's name, or the start of one and then *"))
        continue;
      if (contains(patterns, pattern))
        reader_.problem(place, "is in this list twice");
      else
        patterns.push_back(std::move(pattern));
    }
    return patterns;
  }

  PassedApis read_passed_apis(SettingsSection& section) {
    PassedApis apis;
    for (const SettingsPlace& place : section.list("passthrough")) {
      std::optional<std::string> word = reader_.bounded_text(place, 1, kNameBytesMax);
      if (!word) continue;
      std::optional<PassedApi> api = passed_api(*word);
      if (!api)
        reader_.problem(
            place, "is no API that can be passed through: audio, images, files ... (docs/passthrough.md)");
      else if (apis.has(*api))
        reader_.problem(place, "is in this list twice");
      else
        apis.add(*api);
    }
    return apis;
  }

  bool read_address(const SettingsPlace& at, std::string& out) {
    std::optional<std::string> text = reader_.bounded_text(at, 1, 256);
    if (!text) return false;
    std::string_view fault = address_fault(*text);
    if (!fault.empty()) {
      reader_.problem(at, std::string(fault));
      return false;
    }
    out = *std::move(text);
    return true;
  }

  template <class Timeouts>
  void read_timeouts(SettingsSection section, Timeouts& timeouts) {
    section.read("queue_ms", timeouts.queue);
    section.read("connect_ms", timeouts.connect);
    section.read("headers_ms", timeouts.headers);
    section.read("answer_ms", timeouts.answer);
    section.read("first_token_ms", timeouts.first_token);
    section.read("idle_ms", timeouts.idle);
    section.read("total_ms", timeouts.total);
  }

  // ---- server

  void read_server(SettingsSection section, ServerSettings& server) {
    if (section.has("listen")) {
      server.listen.clear();
      for (const SettingsPlace& place : section.list("listen")) {
        std::string address;
        if (!read_address(place, address)) continue;
        if (contains(server.listen, address))
          reader_.problem(place, "is in this list twice");
        else
          server.listen.push_back(std::move(address));
      }
    }
    section.read("cores", server.cores);
    section.read("receipts", server.receipts);
    section.read("drain_ms", server.drain);
    if (SettingsSection tls = section.section("tls"); tls.place()) {
      server.tls.emplace();
      tls.read("certificate", server.tls->certificate);
      tls.read("private_key", server.tls->private_key);
    }
    SettingsSection limits = section.section("limits");
    limits.read("body_bytes", server.limits.body_bytes);
    limits.read("upload_bytes", server.limits.upload_bytes);
    limits.read("header_bytes", server.limits.header_bytes);
    limits.read("headers", server.limits.headers);
    limits.read("target_bytes", server.limits.target_bytes);
    limits.read("connections", server.limits.connections);
    limits.read("body_bytes_per_s", server.limits.body_bytes_per_s);
    limits.read("connections_per_client", server.limits.connections_per_client);
    limits.read("requests", server.limits.requests);
    limits.read("requests_per_client", server.limits.requests_per_client);
    limits.read("delay_ms", server.limits.delay);
    limits.read("waiting", server.limits.waiting);
    limits.read("wait_ms", server.limits.wait);
    limits.read("backlog", server.limits.backlog);
    if (server.limits.target_bytes > server.limits.header_bytes)
      reader_.problem(limits.has("target_bytes") ? limits.at("target_bytes") : limits.at("header_bytes"),
                      "limits.target_bytes is a part of limits.header_bytes and cannot be larger");
    SettingsSection timeouts = section.section("timeouts");
    timeouts.read("header_ms", server.timeouts.header);
    timeouts.read("body_ms", server.timeouts.body);
    timeouts.read("idle_ms", server.timeouts.idle);
    timeouts.read("write_ms", server.timeouts.write);
    timeouts.read("body_rate_ms", server.timeouts.body_rate);
  }

  // ---- auth

  void read_auth(SettingsSection section, AuthSettings& auth) {
    section.read_choice("anonymous", auth.anonymous);
    std::set<std::string> names;
    std::map<Sha256, std::string> hashes;
    for (SettingsPlace& place : section.list("keys")) {
      SettingsSection entry(reader_, place, "auth.keys");
      if (!entry.place()) continue;
      ClientKeySettings& key = auth.keys.emplace_back();
      if (read_name(entry, "name", key.name) && !names.insert(key.name).second)
        reader_.problem(entry.at("name"), "another key has this name");
      key.models = read_patterns(entry);
      if (entry.has("passthrough")) key.passthrough = read_passed_apis(entry);
      read_roles(entry, key.roles);
      read_limits(entry.section("limits"), key.limits);
      if (!read_hash(entry, key.hash)) continue;
      auto [first, is_new] = hashes.try_emplace(key.hash, key.name);
      if (!is_new)
        reader_.problem(entry.has("key") ? entry.at("key") : entry.at("hash"),
                        fmt::format("is the same key as \"{}\"", first->second));
    }
    read_issuers(section, auth);
  }

  void read_issuers(SettingsSection& section, AuthSettings& auth) {
    for (SettingsPlace& place : section.list("issuers")) {
      SettingsSection entry(reader_, place, "auth.issuers");
      if (!entry.place()) continue;
      TokenIssuerSettings issuer;
      if (read_name(entry, "name", issuer.name) &&
          contains(auth.issuers, issuer.name, &TokenIssuerSettings::name))
        reader_.problem(entry.at("name"), "another issuer has this name");
      entry.read("issuer", issuer.issuer);
      if (!issuer.issuer.empty() && contains(auth.issuers, issuer.issuer, &TokenIssuerSettings::issuer))
        reader_.problem(entry.at("issuer"), "another entry is about this issuer");
      for (const SettingsPlace& at : entry.list("audiences"))
        if (std::optional<std::string> text = reader_.bounded_text(at, 1, 2048))
          issuer.audiences.push_back(*std::move(text));
      entry.read("ca_file", issuer.ca_file);
      entry.read("hs256_key", issuer.hs256_key);
      read_algorithms(entry, issuer);
      read_key_source(entry, issuer);
      entry.read("type", issuer.type);
      if (entry.has("tenant")) read_name(entry, "tenant", issuer.tenant);
      entry.read("tenant_claim", issuer.tenant_claim);
      if (entry.has("tenant") && entry.has("tenant_claim"))
        reader_.problem(entry.at("tenant_claim"), "give \"tenant\" or \"tenant_claim\", not both");
      entry.read("team_claim", issuer.team_claim);
      entry.read("user_claim", issuer.user_claim);
      entry.read("roles_claim", issuer.roles_claim);
      for (const SettingsReader::Entry& role : entry.map("roles"))
        if (std::optional<std::string> text = reader_.bounded_text(role.value, 1, kNameBytesMax))
          issuer.roles.emplace(role.key, *std::move(text));
      if (entry.has("roles") && issuer.roles_claim.empty())
        reader_.problem(entry.at("roles"), "\"roles_claim\" says which claim holds them, and is missing");
      issuer.models = read_patterns(entry);
      entry.read("refresh_ms", issuer.refresh);
      auth.issuers.push_back(std::move(issuer));
    }
  }

  // A shared secret and public keys never stand side by side: who knows the public key could sign with it.
  void read_algorithms(SettingsSection& entry, TokenIssuerSettings& issuer) {
    static constexpr std::string_view kPublic[] = {"RS256", "PS256", "ES256", "EdDSA"};
    bool secret = entry.has("hs256_key");
    for (const SettingsPlace& at : entry.list("algorithms")) {
      std::optional<std::string> word = reader_.bounded_text(at, 1, 16);
      if (!word) continue;
      if (*word != "HS256" && !contains(kPublic, *word))
        reader_.problem(at, "must be RS256, PS256, ES256, EdDSA or HS256");
      else if (contains(issuer.algorithms, *word))
        reader_.problem(at, "is in this list twice");
      else if ((*word == "HS256") != secret)
        reader_.problem(
            at, secret ? "with \"hs256_key\" the only algorithm is HS256" : "HS256 needs \"hs256_key\"");
      else
        issuer.algorithms.push_back(*std::move(word));
    }
    if (entry.has("algorithms")) return;
    if (secret)
      issuer.algorithms = {"HS256"};
    else
      issuer.algorithms.assign(std::begin(kPublic), std::end(kPublic));
  }

  void read_key_source(SettingsSection& entry, TokenIssuerSettings& issuer) {
    entry.read("jwks_url", issuer.jwks_url);
    entry.read("jwks_file", issuer.jwks_file);
    int sources = entry.has("jwks_url") + entry.has("jwks_file") + entry.has("hs256_key");
    if (sources > 1)
      reader_.problem(entry.place(), "give one of \"jwks_url\", \"jwks_file\" and \"hs256_key\"");
    std::string_view key = entry.has("jwks_url") ? "jwks_url" : "issuer";
    const std::string& url = entry.has("jwks_url") ? issuer.jwks_url : issuer.issuer;
    if (entry.has("jwks_file") || entry.has("hs256_key") || url.empty()) return;
    if (auto good = FetchUrl::parse(url); !good)
      reader_.problem(entry.at(key), key == "issuer"
                                         ? "its keys cannot be discovered there (" + good.error().message +
                                               "): give \"jwks_url\", \"jwks_file\" or \"hs256_key\""
                                         : good.error().message);
  }

  void read_roles(SettingsSection& entry, std::vector<std::string>& roles) {
    static constexpr std::string_view kRoles[] = {"owner",   "admin",  "operator", "developer",
                                                  "service", "viewer", "auditor",  "billing"};
    for (const SettingsPlace& place : entry.list("roles")) {
      std::optional<std::string> role = reader_.bounded_text(place, 1, kNameBytesMax);
      if (!role) continue;
      if (!contains(kRoles, *role))
        reader_.problem(place,
                        "is no role: owner, admin, operator, developer, service, viewer, auditor, billing");
      else if (contains(roles, *role))
        reader_.problem(place, "is in this list twice");
      else
        roles.push_back(*std::move(role));
    }
  }

  void read_accounts(SettingsSection& top, Settings& settings) {
    SettingsSection accounts = top.section("accounts");
    accounts.read("enabled", settings.accounts.enabled);
    accounts.read("pepper", settings.accounts.pepper);
    accounts.read("poll_ms", settings.accounts.poll);
    accounts.read("audit_days", settings.accounts.audit_days);
    SettingsSection admin = top.section("admin");
    admin.read("enabled", settings.admin.enabled);
    if (admin.has("listen")) read_address(admin.at("listen"), settings.admin.listen.emplace());
    admin.read("failed_sign_ins_per_minute", settings.admin.failed_sign_ins_per_minute);
  }

  // What cannot work is refused before anything starts; whether a database answers shows at the start.
  void read_shared(SettingsSection& top, Settings& settings) {
    SettingsSection shared = top.section("shared");
    SharedSettings& s = settings.shared;
    shared.read("postgres", s.postgres);
    shared.read("redis", s.redis);
    shared.read("schema", s.schema);
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
    if (shared.has("schema") &&
        (s.schema.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") != std::string::npos ||
         s.schema.substr(0, 1).find_first_of(kLetters) == std::string::npos || s.schema.starts_with("pg_")))
      reader_.problem(shared.at("schema"),
                      "must be of the letters a to z, digits and _, not begin with a digit, nor with pg_");
    if (!s.redis.empty() && !s.redis.reveal().starts_with("redis://") &&
        !s.redis.reveal().starts_with("rediss://") && !s.redis.reveal().starts_with("unix:"))
      reader_.problem(shared.at("redis"), "must begin with redis://, rediss:// or unix:");
    if (!s.postgres.empty() && settings.accounts.enabled && settings.accounts.pepper.empty())
      reader_.problem(
          shared.at("postgres"),
          "needs \"accounts.pepper\", the same on every replica: else one replica's keys are unknown "
          "to the others");
  }

  void read_rates(SettingsSection& section, Limits& limits) {
    section.read("requests_per_minute", limits.requests_per_minute);
    section.read("input_tokens_per_minute", limits.input_tokens_per_minute);
    section.read("output_tokens_per_minute", limits.output_tokens_per_minute);
    read_dollars(section, "usd_per_minute", limits.nanodollars_per_minute);
    section.read("streams", limits.streams);
  }

  void read_limits(SettingsSection section, Limits& limits) {
    read_rates(section, limits);
    SettingsSection each_agent = section.section("each_agent");
    Limits of_agent;
    read_rates(each_agent, of_agent);
    if (of_agent.any()) limits.each_agent = {of_agent};
    for (SettingsPlace& place : section.list("budgets")) {
      SettingsSection entry(reader_, place, "auth.keys.limits.budgets");
      if (!entry.place()) continue;
      Budget budget;
      entry.read_choice("period", budget.period);
      read_dollars(entry, "usd", budget.nanodollars);
      entry.read("tokens", budget.tokens);
      if (!entry.has("usd") && !entry.has("tokens"))
        reader_.problem(entry.place(), "\"usd\" or \"tokens\" is missing");
      if (contains(limits.budgets, budget.period, &Budget::period))
        reader_.problem(entry.place(), "another budget has this period");
      limits.budgets.push_back(budget);
    }
  }

  void read_dollars(SettingsSection& entry, std::string_view key, std::optional<int64_t>& out) {
    std::string text;
    entry.read(key, text);
    if (text.empty()) return;
    out = nanodollars_of(text);
    if (!out || *out == 0)
      reader_.problem(entry.at(key),
                      "must be dollars, as 12.50: more than nothing, at most nine digits behind the point");
  }

  bool read_hash(SettingsSection& entry, Sha256& out) {
    if (entry.has("key") == entry.has("hash")) {
      reader_.problem(entry.place(), entry.has("key") ? "give \"key\" or \"hash\", not both"
                                                      : "\"key\" or \"hash\" is missing");
      return false;
    }
    Secret secret;
    if (entry.has("key")) {
      entry.read("key", secret);
      if (secret.empty()) return false;
      if (!is_visible(secret.reveal())) {
        reader_.problem(entry.at("key"), "must be printable ASCII without spaces");
        return false;
      }
      out = sha256(secret.reveal());
      return true;
    }
    entry.read("hash", secret);
    if (secret.empty()) return false;
    std::optional<Sha256> hash;
    if (secret.reveal().starts_with("sha256:")) hash = sha256_from_hex(secret.reveal().substr(7));
    if (hash)
      out = *hash;
    else
      reader_.problem(entry.at("hash"), "must be sha256: and 64 hex digits");
    return hash.has_value();
  }

  // ---- providers

  void read_providers(SettingsSection& top, Settings& settings) {
    std::set<std::string> names, patterns;
    for (SettingsPlace& place : top.list("providers")) {
      SettingsSection entry(reader_, place, "providers");
      if (!entry.place()) continue;
      ProviderSettings& provider = settings.providers.emplace_back();
      if (read_name(entry, "name", provider.name) && !names.insert(provider.name).second)
        reader_.problem(entry.at("name"), "another provider has this name");
      provider.models = read_patterns(entry);
      for (const std::string& pattern : provider.models)
        if (!patterns.insert(pattern).second)
          reader_.problem(entry.at("models"), fmt::format("another provider already takes \"{}\"", pattern));
      entry.read("connections_max", provider.connections_max);
      entry.read("queue_max", provider.queue_max);
      read_timeouts(entry.section("timeouts"), provider.timeouts);
      // Both kinds' keys are read, so that their problems show whatever the kind.
      read_remote(entry, provider);
      read_local(entry, provider);
      if (!entry.has("kind")) continue;  // reported as missing
      std::optional<int> kind;
      entry.read_choice("kind", kind);
      if (!kind) continue;
      const Service* service = nullptr;  // its word stands behind those of the wires
      if (constexpr int kWires = static_cast<int>(ProviderKind::kGemini) + 1; *kind < kWires)
        provider.kind = static_cast<ProviderKind>(*kind);
      else
        service = &services()[static_cast<size_t>(*kind - kWires)];
      if (service) provider.service = service->word;
      if (provider.service != "azure")
        refuse(entry, {"api_version"}, "only a provider of kind azure has this");
      if (provider.kind != ProviderKind::kLocal) {
        refuse(entry, {"chat", "embeddings"}, "only a provider of kind local has this");
        if (provider.kind != ProviderKind::kOpenAi && provider.kind != ProviderKind::kAnthropic)
          refuse(entry, {"passthrough"}, "only a provider of kind openai or anthropic has this");
        if (provider.kind == ProviderKind::kAnthropic || provider.kind == ProviderKind::kGemini)
          refuse(entry, {"messages_api"}, "only a provider of kind ollama or of OpenAI's kind has this");
        std::string_view standard = service ? service->base_url : standard_base_url(provider.kind);
        // A variable of the service is for the service: it is never sent to an address that the file names.
        if (service && !service->key_variable.empty() && !entry.has("base_url") && !entry.has("api_key"))
          if (auto key = reader_.variable(service->key_variable); key && is_visible(*key))
            provider.api_key = Secret(*std::move(key));
        if (!entry.has("base_url") && standard.empty())
          reader_.problem(entry.place(), "\"base_url\" is missing");
        else if (!entry.has("base_url"))
          provider.base_url = *BaseUrl::parse(standard);
      } else {
        refuse(entry, {"base_url", "api_key", "headers", "ca_file", "passthrough", "messages_api"},
               "a provider of kind local has none");
        if (!entry.has("chat") && !entry.has("embeddings"))
          reader_.problem(entry.place(), "\"chat\" or \"embeddings\" is missing");
      }
    }
  }

  void refuse(SettingsSection& entry, std::initializer_list<std::string_view> keys, const char* why) {
    for (std::string_view key : keys)
      if (entry.has(key)) reader_.problem(entry.at(key), why);
  }

  void read_remote(SettingsSection& entry, ProviderSettings& provider) {
    std::string text;
    entry.read("base_url", text);
    if (!text.empty()) {
      Result<BaseUrl> url = BaseUrl::parse(text);
      if (url)
        provider.base_url = *std::move(url);
      else
        reader_.problem(entry.at("base_url"), url.error().message);
    }
    entry.read("api_key", provider.api_key);
    if (!is_visible(provider.api_key.reveal()))
      reader_.problem(entry.at("api_key"), "must be printable ASCII without spaces");
    entry.read("api_version", provider.api_version);
    if (!std::ranges::all_of(provider.api_version, [](char c) { return is_token({&c, 1}); }))
      reader_.problem(entry.at("api_version"), "must be letters, digits and -");
    provider.passthrough = read_passed_apis(entry);
    entry.read("messages_api", provider.messages_api);
    entry.read("ca_file", provider.ca_file);
    if (!provider.ca_file.empty() && !text.empty() && !text.starts_with("https:"))
      reader_.problem(entry.at("ca_file"), "only an https:// base_url uses it");
    for (const SettingsReader::Entry& header : entry.map("headers")) {
      bool twice = std::ranges::any_of(provider.headers,
                                       [&](const UpstreamHeader& h) { return iequals(h.name, header.key); });
      if (!is_token(header.key))
        reader_.problem(header.key_place, "is not the name of a header");
      else if (is_reserved_header(header.key))
        reader_.problem(header.key_place, iequals(header.key, "authorization")
                                              ? "the Authorization header is made from api_key"
                                              : "this header is written by the gateway and cannot be set");
      else if (twice)
        reader_.problem(header.key_place, "this header is given twice");
      else if (std::optional<std::string> value = reader_.bounded_text(header.value, 1, kHeaderBytesMax))
        provider.headers.push_back({std::string(header.key), Secret(*std::move(value))});
    }
  }

  void read_local(SettingsSection& entry, ProviderSettings& provider) {
    std::set<std::string> names;
    auto read_model_name = [&](SettingsSection& section, std::string& name) {
      if (read_name(section, "name", name) && !names.insert(name).second)
        reader_.problem(section.at("name"), "another model of this provider has this name");
    };
    for (SettingsPlace& place : entry.list("chat")) {
      SettingsSection section(reader_, place, "providers.chat");
      LocalChatSettings& chat = provider.chat.emplace_back();
      read_model_name(section, chat.name);
      section.read("server", chat.server);
      section.read("model", chat.model);
      section.read("context_tokens", chat.context_tokens);
      section.read("slots", chat.slots);
      section.read("threads", chat.threads);
    }
    for (SettingsPlace& place : entry.list("embeddings")) {
      SettingsSection section(reader_, place, "providers.embeddings");
      LocalEmbeddingsSettings& embeddings = provider.embeddings.emplace_back();
      read_model_name(section, embeddings.name);
      section.read("library", embeddings.library);
      section.read("model", embeddings.model);
      section.read("tokenizer", embeddings.tokenizer);
      section.read_choice("pooling", embeddings.pooling);
      section.read("threads", embeddings.threads);
    }
  }

  // ---- models

  void read_models(SettingsSection& top, Settings& settings) {
    std::set<std::string> names;  // of models and aliases: a request names one or the other
    struct Named {
      SettingsPlace at;
      std::string name;
      size_t by;
    };
    std::vector<Named> named;  // models that others lead to
    auto claim = [&](const SettingsPlace& at, const std::string& name) {
      if (!names.insert(name).second) reader_.problem(at, "another model or alias has this name");
    };
    for (SettingsPlace& place : top.list("models")) {
      SettingsSection entry(reader_, place, "models");
      if (!entry.place()) continue;
      ModelSettings& model = settings.models.emplace_back();
      if (read_name(entry, "name", model.name)) claim(entry.at("name"), model.name);
      for (const SettingsPlace& alias : entry.list("aliases")) {
        std::string name;
        if (!read_text(alias, name, is_name, kNameFault)) continue;
        claim(alias, name);
        model.aliases.push_back(std::move(name));
      }
      for (SettingsPlace& target : entry.list("targets"))
        read_target(target, settings.providers, model);
      read_timeouts(entry.section("timeouts"), model.timeouts);
      SettingsSection limits = entry.section("limits");
      limits.read("body_bytes", model.body_bytes);
      if (model.body_bytes && *model.body_bytes > settings.server.limits.body_bytes)
        reader_.problem(limits.at("body_bytes"), "is larger than server.limits.body_bytes");
      for (const SettingsPlace& fallback : entry.list("fallbacks")) {
        std::string name;
        if (!read_text(fallback, name, is_name, kNameFault)) continue;
        if (contains(model.fallbacks, name)) reader_.problem(fallback, "is in this list twice");
        named.push_back({fallback, name, settings.models.size() - 1});
        model.fallbacks.push_back(std::move(name));
      }
      if (read_name(entry, "when_too_long", model.when_too_long))
        named.push_back({entry.at("when_too_long"), model.when_too_long, settings.models.size() - 1});
      entry.read_choice("when_cut", model.when_cut);
      entry.read("hedge_ms", model.hedge);
      entry.read("hold_ms", model.hold);
      entry.read("degraded_text", model.degraded_text);
    }
    for (const Named& n : named) {
      if (n.name == settings.models[n.by].name)
        reader_.problem(n.at, "is this model itself");
      else if (!contains(settings.models, n.name, &ModelSettings::name))
        reader_.problem(n.at, "there is no model of this name");
    }
  }

  // What is asked again, and what rests.
  void read_failing(SettingsSection& top, Settings& settings) {
    SettingsSection retries = top.section("retries");
    retries.read("max", settings.retries.max);
    retries.read("budget_percent", settings.retries.budget_percent);
    retries.read("backoff_ms", settings.retries.backoff);
    retries.read("backoff_max_ms", settings.retries.backoff_max);
    retries.read("retry_after_max_ms", settings.retries.retry_after_max);
    SettingsSection health = top.section("health");
    health.read("check_ms", settings.health.check);
    health.read("failures", settings.health.failures);
    health.read("rest_ms", settings.health.rest);
    health.read("rest_max_ms", settings.health.rest_max);
    health.read("slow_start_ms", settings.health.slow_start);
  }

  void read_target(const SettingsPlace& place, const std::vector<ProviderSettings>& providers,
                   ModelSettings& model) {
    SettingsSection entry(reader_, place, "models.targets");
    TargetSettings target;
    target.model = model.name;
    bool named = read_name(entry, "provider", target.provider);
    bool good_model = entry.has("model") ? read_name(entry, "model", target.model) : !target.model.empty();
    if (!named) return;
    auto provider = std::ranges::find(providers, target.provider, &ProviderSettings::name);
    if (provider == providers.end()) {
      reader_.problem(entry.at("provider"), "there is no provider of this name");
      return;
    }
    if (!good_model) return;
    bool served = provider->kind != ProviderKind::kLocal ||
                  contains(provider->chat, target.model, &LocalChatSettings::name) ||
                  contains(provider->embeddings, target.model, &LocalEmbeddingsSettings::name);
    if (!served)
      reader_.problem(entry.has("model") ? entry.at("model") : entry.place(),
                      "the local provider has no model of this name");
    if (contains(model.targets, target)) reader_.problem(entry.place(), "this target is listed twice");
    model.targets.push_back(std::move(target));
  }

  // ---- registry

  void read_registry(SettingsSection& top, Settings& settings) {
    for (SettingsPlace& place : top.list("registry")) {
      SettingsSection entry(reader_, place, "registry");
      if (!entry.place()) continue;
      RegistryModelSettings model;
      bool named = read_name(entry, "provider", model.provider);
      if (named && !contains(settings.providers, model.provider, &ProviderSettings::name))
        reader_.problem(entry.at("provider"), "there is no provider of this name");
      named = entry.has("model") && read_text(entry.at("model"), model.model, is_pattern,
                                              "must be a model's name, or the start of one and then *");
      for (const RegistryModelSettings& other : settings.registry)
        if (named && other.provider == model.provider && other.model == model.model)
          reader_.problem(entry.at("model"), "another entry is about this model");
      entry.read("context_tokens", model.context_tokens);
      entry.read("output_tokens", model.output_tokens);
      entry.read("tools", model.tools);
      entry.read("vision", model.vision);
      entry.read("audio", model.audio);
      entry.read("json_schema", model.json_schema);
      entry.read("reasoning", model.reasoning);
      entry.read("prefill", model.prefill);
      read_price(entry, "input_usd", model.input_nanodollars);
      read_price(entry, "output_usd", model.output_nanodollars);
      read_price(entry, "cache_read_usd", model.cache_read_nanodollars);
      read_price(entry, "cache_write_usd", model.cache_write_nanodollars);
      read_price(entry, "cache_write_1h_usd", model.cache_write_1h_nanodollars);
      settings.registry.push_back(std::move(model));
    }
  }

  void read_price(SettingsSection& entry, std::string_view key, std::optional<int64_t>& out) {
    std::string text;
    entry.read(key, text);
    if (text.empty()) return;
    out = nanodollars_of(text);
    if (!out)
      reader_.problem(entry.at(key),
                      "must be dollars for a million tokens, as 2.5: at most nine digits behind the point");
  }

  // ---- data, events

  void read_data(SettingsSection& top, Settings& settings) {
    SettingsSection data = top.section("data");
    data.read("directory", settings.data.directory);
    // The default too stands beside the configuration file.
    if (!data.has("directory")) settings.data.directory = reader_.resolved(settings.data.directory);
    SettingsSection events = top.section("events");
    events.read("enabled", settings.events.enabled);
    events.read("ring_bytes", settings.events.ring_bytes);
    events.read_choice("acknowledge", settings.events.acknowledge);
    events.read_choice("when_full", settings.events.when_full);
    events.read("sync_ms", settings.events.sync);
    events.read("keep_days", settings.events.keep_days);
    events.read("ledger_keep_days", settings.events.ledger_keep_days);
    events.read("keep_bytes", settings.events.keep_bytes);
    SettingsSection responses = top.section("responses");
    responses.read("store", settings.responses.store);
    responses.read("keep_days", settings.responses.keep_days);
    responses.read("keep_bytes", settings.responses.keep_bytes);
  }

  // ---- alerts

  void read_alerts(SettingsSection section, AlertSettings& alerts) {
    section.read("check_ms", alerts.check);
    for (SettingsPlace& place : section.list("rules")) {
      SettingsSection entry(reader_, place, "alerts.rules");
      if (entry.place()) read_alert_rule(entry, alerts.rules);
    }
    for (SettingsPlace& place : section.list("webhooks")) {
      SettingsSection entry(reader_, place, "alerts.webhooks");
      if (!entry.place()) continue;
      AlertWebhookSettings webhook;
      if (read_name(entry, "name", webhook.name) &&
          contains(alerts.webhooks, webhook.name, &AlertWebhookSettings::name))
        reader_.problem(entry.at("name"), "another webhook has this name");
      entry.read("url", webhook.url);
      if (!webhook.url.empty())
        if (auto url = FetchUrl::parse(webhook.url); !url)
          reader_.problem(entry.at("url"), url.error().message);
      entry.read("secret", webhook.secret);
      entry.read("ca_file", webhook.ca_file);
      entry.read_choice("severity", webhook.severity);
      entry.read("retry_ms", webhook.retry);
      alerts.webhooks.push_back(std::move(webhook));
    }
  }

  void read_alert_rule(SettingsSection& entry, std::vector<AlertRuleSettings>& rules) {
    AlertRuleSettings rule;
    if (read_name(entry, "name", rule.name) && contains(rules, rule.name, &AlertRuleSettings::name))
      reader_.problem(entry.at("name"), "another rule has this name");
    entry.read_choice("measure", rule.measure);
    std::string above;
    entry.read("above", above);
    std::optional<int64_t> limit = nanodollars_of(above);
    if (entry.has("above") && !limit)
      reader_.problem(entry.at("above"), "must be a number from 0 to 1000000, as 2.5");
    rule.above_billionths = limit.value_or(0);
    bool of_keys = rule.measure == AlertMeasure::kKeyExpires;
    bool of_requests =
        !of_keys && rule.measure != AlertMeasure::kBudgetPercent && rule.measure != AlertMeasure::kTargetDown;
    if (entry.has("measure") && !entry.has("above") && !of_keys && rule.measure != AlertMeasure::kTargetDown)
      reader_.problem(entry.place(), "\"above\" is missing");
    entry.read_choice("severity", rule.severity);
    entry.read_choice("each", rule.each);
    if (!of_requests)
      refuse(entry, {"each", "requests_min"},
             "only a rule about requests has this: this one is about each budget, target or key");
    if (!of_requests && !of_keys) refuse(entry, {"over_ms"}, "only a rule about requests or keys has this");
    if (of_keys) rule.over = std::chrono::hours(7 * 24);
    read_name(entry, "model", rule.model);
    read_name(entry, "provider", rule.provider);
    read_name(entry, "tenant", rule.tenant);
    entry.read("over_ms", rule.over);
    entry.read("for_ms", rule.hold);
    entry.read("requests_min", rule.requests_min);
    rules.push_back(std::move(rule));
  }

  // No optimization switch exists yet; each one that comes gets its name here.
  void read_features(SettingsSection& top) {
    for (const SettingsReader::Entry& feature : top.map("features"))
      reader_.problem(feature.key_place, "unknown feature; none exist in this version");
  }

  static constexpr int64_t kNameBytesMax = 200;
  static constexpr int64_t kHeaderBytesMax = 8192;
  SettingsReader reader_;
};

}  // namespace

SettingsOutcome parse_settings(std::string_view yaml, const SettingsSources& sources) {
  std::expected<YamlTree, YamlProblem> tree = parse_yaml(yaml);
  if (!tree)
    return {std::nullopt, {{tree.error().line, tree.error().column, "", std::move(tree.error().message)}}};
  if (tree->root->kind == YamlNode::Kind::kNull) return {std::nullopt, {{1, 1, "", "empty"}}};
  return Parser(sources).parse(*tree->root);
}

}  // namespace weir
