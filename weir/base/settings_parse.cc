// parse_settings: the shape of weir.yaml, section by section, then what only the whole can tell (a target
// whose provider is not there, two keys that are the same).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

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
    SettingsSection log = top.section("log");
    log.read_choice("level", settings.log.level);
    log.read("file", settings.log.file);
    log.read("requests", settings.log.requests);
    SettingsSection metrics = top.section("metrics");
    metrics.read("enabled", settings.metrics.enabled);
    if (metrics.has("listen")) read_address(metrics.at("listen"), settings.metrics.listen.emplace());
    read_data(top, settings);
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
      if (!read_hash(entry, key.hash)) continue;
      auto [first, is_new] = hashes.try_emplace(key.hash, key.name);
      if (!is_new)
        reader_.problem(entry.has("key") ? entry.at("key") : entry.at("hash"),
                        fmt::format("is the same key as \"{}\"", first->second));
    }
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
        refuse(entry, {"base_url", "api_key", "headers", "ca_file", "passthrough"},
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
    events.read("keep_bytes", settings.events.keep_bytes);
    SettingsSection responses = top.section("responses");
    responses.read("store", settings.responses.store);
    responses.read("keep_days", settings.responses.keep_days);
    responses.read("keep_bytes", settings.responses.keep_bytes);
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
