// The configuration as values: what weir.yaml may say (docs/configuration.md), with every default in the
// declaration. parse_settings() is pure: files and environment come through SettingsSources, so a loader, a
// test and a fuzzer read the same way. A Settings that exists has passed every check; the parts compare, so a
// reload keeps what did not change. Client keys are held as SHA-256 only. Values; thread-safe as values are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/hash.h"
#include "weir/base/limits.h"
#include "weir/base/passed_api.h"
#include "weir/base/result.h"
#include "weir/base/secret.h"

namespace weir {

// ---- server

struct TlsSettings {
  std::string certificate;  // path of a PEM chain
  std::string private_key;  // path of a PEM key
  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

struct ServerLimits {
  int64_t body_bytes = 32 << 20;
  int64_t header_bytes = 64 << 10;  // the whole head: request line and headers
  int64_t headers = 100;
  int64_t target_bytes = 8192;
  int64_t connections = 20000;         // over all cores
  int64_t body_bytes_per_s = 500;      // a request body that brings less over timeouts.body_rate; 0: no floor
  int64_t connections_per_client = 0;  // of one address, over all cores; 0: no limit of its own
  int64_t requests = 10000;            // model requests under way, over all cores
  int64_t requests_per_client = 0;     // of one key, or one address without a key; 0: no limit of its own
  milliseconds delay{5};               // a loop later than this lets new model requests wait; 0: never
  int64_t waiting = 1024;              // model requests that wait, of one core
  milliseconds wait{1000};             // how long they wait
  int64_t backlog = 4096;              // connections that wait to be accepted, each listener
  int64_t upload_bytes = 512 << 20;    // of a body that is passed through in pieces
  friend bool operator==(const ServerLimits&, const ServerLimits&) = default;
};

struct ServerTimeouts {
  milliseconds header{10'000};     // first byte of a request to the end of its head
  milliseconds body{30'000};       // between two reads of a body
  milliseconds idle{75'000};       // keep-alive connection without a request
  milliseconds write{30'000};      // a client that does not read
  milliseconds body_rate{10'000};  // the span over which limits.body_bytes_per_s is measured
  friend bool operator==(const ServerTimeouts&, const ServerTimeouts&) = default;
};

struct ServerSettings {
  std::vector<std::string> listen{"127.0.0.1:8080"};  // host:port, [v6]:port, unix:/path; never empty
  int64_t cores = 0;                                  // loops; 0: one for each core of the machine
  std::optional<TlsSettings> tls;
  ServerLimits limits;
  ServerTimeouts timeouts;
  milliseconds drain{30'000};  // how long a shutdown waits for requests under way
  bool receipts = false;       // whole answers say what they cost (x-weir-cost-usd)
  friend bool operator==(const ServerSettings&, const ServerSettings&) = default;
};

// ---- auth

/// Who may send a request without a key. A wrong key is refused in every mode.
enum class Anonymous : uint8_t { kNever, kLoopback, kAlways };

struct ClientKeySettings {
  std::string name;
  Sha256 hash{};                    // of the key's bytes
  std::vector<std::string> models;  // exact names or "prefix*"; empty: every model
  /// Of what providers pass through; nullopt: see exchange::Principal::may_call.
  std::optional<PassedApis> passthrough = std::nullopt;
  Limits limits = {};
  std::vector<std::string> roles = {};  // what else it may do: names of accounts/permission.h; none: models
  friend bool operator==(const ClientKeySettings&, const ClientKeySettings&) = default;
};

/// Whose signed tokens (JWT) are taken for keys.
struct TokenIssuerSettings {
  std::string name;                     // in messages
  std::string issuer;                   // the claim iss, exactly
  std::vector<std::string> audiences;   // one of them stands in aud; empty: not looked at
  std::vector<std::string> algorithms;  // RS256, PS256, ES256, EdDSA; HS256 with hs256_key only
  std::string jwks_url;                 // https (http: this machine's only); empty: the issuer tells it
  std::string jwks_file;                // instead of a URL
  std::string ca_file;                  // of the URL's server; empty: the system's authorities
  Secret hs256_key;                     // at least 32 bytes; instead of both
  std::string type;                     // the header typ; empty: not looked at
  std::string tenant;                   // of all its tokens; empty: the claim says
  std::string tenant_claim, team_claim, user_claim = "sub", roles_claim;
  std::map<std::string, std::string> roles;  // what roles_claim says -> a role
  std::vector<std::string> models;           // as of a key
  Limits limits;                             // of each of its subjects
  milliseconds refresh{600'000};             // of its keys
  friend bool operator==(const TokenIssuerSettings&, const TokenIssuerSettings&) = default;
};

struct AuthSettings {
  Anonymous anonymous = Anonymous::kNever;
  std::vector<ClientKeySettings> keys;
  std::vector<TokenIssuerSettings> issuers;
  friend bool operator==(const AuthSettings&, const AuthSettings&) = default;
};

// ---- providers

/// http(s)://host[:port][/path] or unix:/path/to.sock (HTTP over that socket, no path prefix).
struct BaseUrl {
  enum class Scheme : uint8_t { kHttp, kHttps, kUnix };
  Scheme scheme = Scheme::kHttp;
  std::string host;  // name or literal without brackets; the socket's path for kUnix
  uint16_t port = 0;
  std::string path;  // "" or "/v1": starts with '/', never ends with one

  /// Errors: kConfig with the reason; the text is not quoted.
  static Result<BaseUrl> parse(std::string_view text);
  std::string to_string() const;
  friend bool operator==(const BaseUrl&, const BaseUrl&) = default;
};

struct UpstreamTimeouts {
  milliseconds queue{5'000};  // waiting for a free connection
  milliseconds connect{5'000};
  milliseconds headers{30'000};      // request sent to head of a stream
  milliseconds answer{0};            // request sent to a whole answer's head (the model is done); 0: total
  milliseconds first_token{30'000};  // response head to first token of a stream
  milliseconds idle{30'000};         // between two reads of an answer
  milliseconds total{600'000};
  milliseconds answer_or_total() const { return answer > milliseconds(0) ? answer : total; }
  friend bool operator==(const UpstreamTimeouts&, const UpstreamTimeouts&) = default;
};

struct UpstreamTimeoutOverrides {
  std::optional<milliseconds> queue, connect, headers, answer, first_token, idle, total;
  UpstreamTimeouts over(UpstreamTimeouts base) const;
  friend bool operator==(const UpstreamTimeoutOverrides&, const UpstreamTimeoutOverrides&) = default;
};

struct UpstreamHeader {
  std::string name;
  Secret value;
  friend bool operator==(const UpstreamHeader&, const UpstreamHeader&) = default;
};

struct LocalChatSettings {
  std::string name;    // the model name the provider answers to
  std::string server;  // path of llama-server
  std::string model;   // path of the .gguf
  int64_t context_tokens = 8192;
  int64_t slots = 4;
  int64_t threads = 0;  // 0: the child decides
  friend bool operator==(const LocalChatSettings&, const LocalChatSettings&) = default;
};

/// How token vectors become one: the first one's (bge) or their mean (MiniLM, e5). The wrong one gives wrong
/// vectors.
enum class Pooling : uint8_t { kCls, kMean };

struct LocalEmbeddingsSettings {
  std::string name;
  std::string library;    // path of the ONNX Runtime library
  std::string model;      // path of the .onnx
  std::string tokenizer;  // path of tokenizer.json
  Pooling pooling = Pooling::kCls;
  int64_t threads = 0;
  friend bool operator==(const LocalEmbeddingsSettings&, const LocalEmbeddingsSettings&) = default;
};

/// Whose wire it speaks; kLocal: models that weir runs itself.
enum class ProviderKind : uint8_t { kOpenAi, kLocal, kAnthropic, kOllama, kGemini };

struct ProviderSettings {
  std::string name;
  ProviderKind kind = ProviderKind::kOpenAi;
  std::string service;  // the word of its kind when that is a service of OpenAI's kind (base/service.h)
  std::vector<std::string> models;  // patterns passed through without an entry in `models`; empty: none
  int64_t connections_max = 256;    // over all cores
  int64_t queue_max = 1024;         // requests that wait for a connection, over all cores
  UpstreamTimeouts timeouts;
  // kOpenAi
  BaseUrl base_url;
  Secret api_key;  // empty: no Authorization header
  std::vector<UpstreamHeader> headers;
  std::string ca_file;      // empty: the system's authorities
  std::string api_version;  // Azure's: its dated API, a path for each deployment; empty: its /openai/v1
  PassedApis passthrough;   // what goes to it uninterpreted; empty: nothing
  // kOpenAi, kOllama
  bool messages_api = false;  // it speaks Anthropic's messages as well
  // kLocal: at least one of the two
  std::vector<LocalChatSettings> chat;
  std::vector<LocalEmbeddingsSettings> embeddings;
  friend bool operator==(const ProviderSettings&, const ProviderSettings&) = default;
};

// ---- models

struct TargetSettings {
  std::string provider;  // names an entry of Settings::providers
  std::string model;     // the provider's name of the model
  friend bool operator==(const TargetSettings&, const TargetSettings&) = default;
};

/// What becomes of a stream that breaks off when another target could go on with it.
enum class WhenCut : uint8_t { kContinue, kError };

struct ModelSettings {
  std::string name;
  std::vector<std::string> aliases;
  std::vector<TargetSettings> targets;  // in order of preference; never empty
  UpstreamTimeoutOverrides timeouts;    // over the provider's
  std::optional<int64_t> body_bytes;    // limits.body_bytes, at most server.limits.body_bytes
  std::vector<std::string> fallbacks;   // models whose targets are asked when all of its own failed
  std::string when_too_long;            // the model that gets what is too long for this one; empty: none
  WhenCut when_cut = WhenCut::kContinue;
  milliseconds hedge{0};      // without output for so long: a second target is asked as well; 0: never
  milliseconds hold{0};       // of a stream's beginning, in which a failure is no broken answer yet
  std::string degraded_text;  // the answer when every target failed; empty: the error
  friend bool operator==(const ModelSettings&, const ModelSettings&) = default;
};

// ---- responses

/// Answers of the Responses dialect that weir keeps itself: message content, so nothing unless switched on.
struct ResponsesSettings {
  bool store = false;
  int64_t keep_days = 30;
  int64_t keep_bytes = int64_t{1} << 30;
  friend bool operator==(const ResponsesSettings&, const ResponsesSettings&) = default;
};

// ---- registry

/// What is said of a model over what the built-in book knows. Prices: nano-dollars for a million tokens.
struct RegistryModelSettings {
  std::string provider;  // names an entry of Settings::providers
  std::string model;     // the provider's name of it, or the beginning of names and '*'
  std::optional<int64_t> context_tokens, output_tokens;
  std::optional<bool> tools, vision, audio, json_schema, reasoning, prefill;
  std::optional<int64_t> input_nanodollars, output_nanodollars, cache_read_nanodollars,
      cache_write_nanodollars, cache_write_1h_nanodollars;
  friend bool operator==(const RegistryModelSettings&, const RegistryModelSettings&) = default;
};

// ---- the rest

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  std::string file = "-";  // "-": standard output
  bool requests = true;    // a line for each request
  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

struct MetricsSettings {
  bool enabled = true;
  std::optional<std::string> listen;  // its own address; none: on the server's listeners
  friend bool operator==(const MetricsSettings&, const MetricsSettings&) = default;
};

struct DataSettings {
  std::string directory = "weir-data";  // what weir keeps; made (0700) at the start
  friend bool operator==(const DataSettings&, const DataSettings&) = default;
};

/// When an answer may end: its record in the ring survives the process, on the disk also the machine.
enum class Acknowledge : uint8_t { kRing, kDisk };
/// What happens to a request for which no record can be kept.
enum class WhenFull : uint8_t { kRefuse, kCount };

struct EventSettings {
  bool enabled = true;
  int64_t ring_bytes = 8 << 20;  // of each core; 512 a place; room for more than limits.requests
  Acknowledge acknowledge = Acknowledge::kRing;
  WhenFull when_full = WhenFull::kRefuse;
  milliseconds sync{5};  // the longest a record waits for the next sync to begin
  int64_t keep_days = 30;
  int64_t keep_bytes = int64_t{10} << 30;
  int64_t ledger_keep_days = 400;  // of the ledger's hours; older ones are kept as one sum
  friend bool operator==(const EventSettings&, const EventSettings&) = default;
};

/// Asking a target again that was asked for the same request, before its answer began.
struct RetrySettings {
  int64_t max = 2;                      // times, all targets together
  int64_t budget_percent = 20;          // of the requests, on each core
  milliseconds backoff{250};            // the longest first pause; it doubles, and its length is drawn
  milliseconds backoff_max{4'000};      // the longest of all
  milliseconds retry_after_max{5'000};  // a longer Retry-After is the caller's to wait for
  friend bool operator==(const RetrySettings&, const RetrySettings&) = default;
};

/// When a target rests because it fails, while its model has another, and how it comes back.
struct HealthSettings {
  milliseconds check{30'000};       // between two checks of a provider; 0: none, requests find out
  int64_t failures = 5;             // in a row that make a target rest
  milliseconds rest{5'000};         // the first time; doubles while it fails
  milliseconds rest_max{20'000};    // so that what is well again is in use within half a minute
  milliseconds slow_start{10'000};  // until a target that is back gets its full share
  friend bool operator==(const HealthSettings&, const HealthSettings&) = default;
};

/// Tenants, teams, users and keys that are kept in a store and changed while weir runs.
struct AccountsSettings {
  bool enabled = true;       // false: the configuration's keys only
  Secret pepper;             // of the keys' digests, the same on every replica; empty: kept in data.directory
  milliseconds poll{1'000};  // the longest a change elsewhere goes unseen
  int64_t audit_days = 365;  // how long rows of the audit log are kept; 0: for good
  friend bool operator==(const AccountsSettings&, const AccountsSettings&) = default;
};

/// The control plane: its API and the console.
struct AdminSettings {
  bool enabled = true;
  std::optional<std::string> listen;        // its own address; none: on the server's listeners
  int64_t failed_sign_ins_per_minute = 20;  // of an address; 0: any number
  friend bool operator==(const AdminSettings&, const AdminSettings&) = default;
};

/// Where replicas share what they keep.
struct SharedSettings {
  Secret postgres;     // a connection string; empty: SQLite in data.directory, one replica
  Secret redis;        // redis://...; empty: none
  std::string schema;  // of PostgreSQL
  friend bool operator==(const SharedSettings&, const SharedSettings&) = default;
};

// ---- alerts

enum class AlertSeverity : uint8_t { kInfo, kWarning, kCritical };
std::string_view name(AlertSeverity severity);

/// What a rule looks at. Shares and latencies of the requests of its span, dollars as if it went on for an
/// hour, budgets by their meters, targets by their breakers.
enum class AlertMeasure : uint8_t {
  kErrorPercent,
  kP95Ms,
  kFirstTokenP95Ms,
  kUsdPerHour,
  kBudgetPercent,
  kTargetDown,
  kKeyExpires,
};
std::string_view name(AlertMeasure measure);

/// One alert for everything that the rule is about, or one for each.
enum class AlertEach : uint8_t { kAll, kModel, kProvider, kTenant };

struct AlertRuleSettings {
  std::string name;
  AlertMeasure measure = AlertMeasure::kErrorPercent;
  int64_t above_billionths = 0;  // of a percent, a millisecond, a dollar: the value is worse when greater
  AlertSeverity severity = AlertSeverity::kWarning;
  AlertEach each = AlertEach::kAll;
  std::string model, provider, tenant;  // only of these; empty: any
  milliseconds over{300'000};           // the span that is measured
  milliseconds hold{60'000};            // it must stay so before it fires, and be over so long before it is
  int64_t requests_min = 10;            // in the span; fewer say nothing
  double above() const { return static_cast<double>(above_billionths) / 1e9; }
  friend bool operator==(const AlertRuleSettings&, const AlertRuleSettings&) = default;
};

/// Who is told when an alert fires and when it is over.
struct AlertWebhookSettings {
  std::string name;
  std::string url;                                // as FetchUrl takes it
  Secret secret;                                  // of the signature; empty: none is sent
  std::string ca_file;                            // of the URL's server; empty: the system's authorities
  AlertSeverity severity = AlertSeverity::kInfo;  // the least that it hears of
  milliseconds retry{1'000};                      // the first pause; it doubles to a minute
  friend bool operator==(const AlertWebhookSettings&, const AlertWebhookSettings&) = default;
};

struct AlertSettings {
  milliseconds check{10'000};
  std::vector<AlertRuleSettings> rules;
  std::vector<AlertWebhookSettings> webhooks;
  friend bool operator==(const AlertSettings&, const AlertSettings&) = default;
};

struct Settings {
  ServerSettings server;
  AuthSettings auth;
  AccountsSettings accounts;
  AdminSettings admin;
  SharedSettings shared;
  std::vector<ProviderSettings> providers;
  std::vector<ModelSettings> models;
  std::vector<RegistryModelSettings> registry;
  RetrySettings retries;
  HealthSettings health;
  LogSettings log;
  MetricsSettings metrics;
  DataSettings data;
  EventSettings events;
  ResponsesSettings responses;
  AlertSettings alerts;
  std::map<std::string, bool, std::less<>> features;  // optimization switches; none exist yet
  friend bool operator==(const Settings&, const Settings&) = default;
};

/// One core's part of a limit over all cores; at least one.
inline size_t share_of(int64_t limit, int cores) {
  return static_cast<size_t>(std::max<int64_t>(limit / std::max(cores, 1), 1));
}

/// True when `pattern` is `name`, or ends in '*' and the rest is a prefix of `name`.
bool matches_pattern(std::string_view pattern, std::string_view name);

// ---- reading

struct SettingsSources {
  /// For ${file:PATH}; PATH comes resolved. Unset: files are refused.
  std::function<Result<std::string>(const std::string& path)> read_file;
  /// For ${env:NAME}. Unset: variables are refused.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// Relative paths are taken from here: the folder of the configuration file. Empty: kept as written.
  std::string base_directory;
};

struct SettingsProblem {
  int line = 1;      // from 1
  int column = 1;    // from 1
  std::string path;  // "providers[0].base_url"; empty: the file as a whole
  std::string message;
};

/// Either settings, or at least one problem.
struct SettingsOutcome {
  std::optional<Settings> settings;
  std::vector<SettingsProblem> problems;  // in file order, at most 100
};

/// Reads one YAML document of at most 1 MiB. All problems are reported, not only the first; none of their
/// texts holds the value of a secret or of a reference. Never throws.
SettingsOutcome parse_settings(std::string_view yaml, const SettingsSources& sources);

/// "weir.yaml:12:5: providers[0].base_url: must start with http://, https:// or unix:"
std::string to_string(const SettingsProblem& problem, std::string_view file);

// ---- the table of keys

/// One key that may be written. The parser checks against these rows and the JSON schema is compared with
/// them, so a bound is stated once.
struct SettingsKey {
  enum class Type : uint8_t {
    kInteger,
    kBoolean,
    kString,
    kSecret,
    kFile,    // a path; a relative one is taken from SettingsSources::base_directory
    kChoice,  // one of `choices`, in the order of the enum it is read into
    kSection,
    kList,
    kOneOrList,  // an entry alone stands for a list of one
    kMap,
  };
  std::string_view
      section;  // "" is the root; "server.limits"; entries of lists: "providers", "models.targets"
  std::string_view key;
  Type type;
  int64_t min;  // of an integer; of a text's bytes; of a list's or map's entries
  int64_t max;
  bool required;
  std::string_view choices;  // kChoice: "a|b|c"
};

std::span<const SettingsKey> settings_keys();

}  // namespace weir
