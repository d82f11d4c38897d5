// What a configuration file may say, what is refused and where, and that the schema and the page say the
// same. One file: the tables of keys and refusals are read against each other.
#include "weir/base/settings.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "weir/base/fetch_url.h"
#include "weir/base/service.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

SettingsSources test_sources() {
  SettingsSources sources;
  sources.base_directory = "/etc/weir";
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "KEY") return "sk-from-environment";
    if (name == "CORES") return "3";
    if (name == "BAD") return "s3cr3t\nInjected: yes";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  sources.read_file = [](const std::string& path) -> Result<std::string> {
    if (path == "/run/secrets/openai") return "sk-from-file\n";
    if (path == "/etc/weir/relative") return "sk-relative\r\n";
    if (path == "/huge") return std::string(1 << 20, 'x');
    return fail(ErrorCode::kIo, "no such file");
  };
  return sources;
}

SettingsOutcome parse(std::string_view yaml) {
  return parse_settings(yaml, test_sources());
}

std::vector<std::string> problems(std::string_view yaml) {
  SettingsOutcome outcome = parse(yaml);
  EXPECT_EQ(outcome.settings.has_value(), outcome.problems.empty());
  std::vector<std::string> texts;
  for (const SettingsProblem& problem : outcome.problems)
    texts.push_back(to_string(problem, "f"));
  return texts;
}

Settings good(std::string_view yaml) {
  SettingsOutcome outcome = parse(yaml);
  for (const SettingsProblem& problem : outcome.problems)
    ADD_FAILURE() << to_string(problem, "f");
  return std::move(outcome.settings).value_or(Settings{});
}

std::string source_file(std::string_view path) {
  auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::ifstream in(root / path);
  EXPECT_TRUE(in.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// ---- what is read

// The declarations, with the paths among them taken from the folder of the file.
Settings defaults() {
  Settings s;
  s.data.directory = "/etc/weir/weir-data";
  return s;
}

TEST(Settings, EmptyMapGivesTheDefaults) {
  EXPECT_EQ(good("{}"), defaults());
  EXPECT_EQ(good("server:\nauth:\nproviders:\nmodels: []\nlog: {}\nmetrics: { listen: null }\n"), defaults());
}

TEST(Settings, ReadsEveryKey) {
  Settings s = good(R"(
server:
  listen: ["0.0.0.0:8080", "[::1]:0", "unix:/run/weir.sock"]
  cores: 2
  tls: { certificate: tls/chain.pem, private_key: /keys/key.pem }
  limits:
    { body_bytes: 1024, header_bytes: 2048, headers: 10, target_bytes: 512, connections: 7, requests: 5,
      body_bytes_per_s: 8, connections_per_client: 6, requests_per_client: 4, delay_ms: 3, backlog: 2,
      upload_bytes: 4096, waiting: 9, wait_ms: 11 }
  timeouts: { header_ms: 1, body_ms: 2, idle_ms: 3, write_ms: 4, body_rate_ms: 5 }
  drain_ms: 0
auth:
  anonymous: loopback
  keys:
    - { name: a, key: "${env:KEY}", models: [x, "y*"], roles: [viewer, billing] }
    - { name: b, hash: "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD" }
providers:
  - name: openai
    kind: openai
    models: ["gpt-*"]
    base_url: https://api.example.com/v1/
    api_key: ${file:/run/secrets/openai}
    headers: { OpenAI-Organization: org-x }
    ca_file: ca.pem
    connections_max: 9
    queue_max: 8
    messages_api: true
    timeouts: { queue_ms: 6, connect_ms: 1, headers_ms: 2, answer_ms: 7, first_token_ms: 3, idle_ms: 4, total_ms: 5 }
  - name: local
    kind: local
    chat: { name: c, server: s, model: m, context_tokens: 512, slots: 2, threads: 3 }
    embeddings:
      - { name: e, library: l, model: m, tokenizer: t, pooling: mean, threads: 4 }
      - { name: e2, library: l, model: m, tokenizer: t }
models:
  - name: fast
    aliases: [faster]
    targets: [{ provider: openai }, { provider: local, model: c }]
    timeouts: { total_ms: 77 }
    limits: { body_bytes: 1024 }
accounts: { enabled: false, pepper: "0123456789abcdef0123456789abcdef", poll_ms: 250, audit_days: 90 }
admin: { enabled: false, listen: "127.0.0.1:9443", failed_sign_ins_per_minute: 5 }
shared: { postgres: "postgresql://weir@db/weir", redis: "redis://cache:6379", schema: weir_2 }
log: { level: warn, file: weir.log, requests: false }
metrics: { enabled: false, listen: "127.0.0.1:9090" }
data: { directory: kept }
events: { enabled: false, ring_bytes: 65536, acknowledge: disk, when_full: count, sync_ms: 7, keep_days: 8, keep_bytes: 1048576 }
features: {}
)");
  EXPECT_THAT(s.server.listen, ElementsAre("0.0.0.0:8080", "[::1]:0", "unix:/run/weir.sock"));
  EXPECT_EQ(s.server.cores, 2);
  EXPECT_EQ(s.data.directory, "/etc/weir/kept");
  EXPECT_EQ(s.events,
            (EventSettings{false, 65536, Acknowledge::kDisk, WhenFull::kCount, milliseconds(7), 8, 1 << 20}));
  ASSERT_TRUE(s.server.tls);
  EXPECT_EQ(s.server.tls->certificate, "/etc/weir/tls/chain.pem");
  EXPECT_EQ(s.server.tls->private_key, "/keys/key.pem");
  EXPECT_EQ(s.server.limits, (ServerLimits{1024, 2048, 10, 512, 7, 8, 6, 5, 4, milliseconds(3), 9,
                                           milliseconds(11), 2, 4096}));
  EXPECT_EQ(s.server.timeouts, (ServerTimeouts{milliseconds(1), milliseconds(2), milliseconds(3),
                                               milliseconds(4), milliseconds(5)}));
  EXPECT_EQ(s.server.drain, milliseconds(0));
  EXPECT_EQ(s.auth.anonymous, Anonymous::kLoopback);
  ASSERT_EQ(s.auth.keys.size(), 2u);
  EXPECT_EQ(s.auth.keys[0].hash, sha256("sk-from-environment"));
  EXPECT_THAT(s.auth.keys[0].models, ElementsAre("x", "y*"));
  EXPECT_EQ(s.auth.keys[1].hash, sha256("abc"));
  ASSERT_EQ(s.providers.size(), 2u);
  const ProviderSettings& openai = s.providers[0];
  EXPECT_EQ(openai.kind, ProviderKind::kOpenAi);
  EXPECT_EQ(openai.base_url.to_string(), "https://api.example.com/v1");
  EXPECT_EQ(openai.api_key.reveal(), "sk-from-file");
  ASSERT_EQ(openai.headers.size(), 1u);
  EXPECT_EQ(openai.headers[0].name, "OpenAI-Organization");
  EXPECT_EQ(openai.headers[0].value.reveal(), "org-x");
  EXPECT_EQ(openai.ca_file, "/etc/weir/ca.pem");
  EXPECT_EQ(openai.connections_max, 9);
  EXPECT_EQ(openai.queue_max, 8);
  EXPECT_TRUE(openai.messages_api);
  EXPECT_EQ(openai.timeouts,
            (UpstreamTimeouts{milliseconds(6), milliseconds(1), milliseconds(2), milliseconds(7),
                              milliseconds(3), milliseconds(4), milliseconds(5)}));
  EXPECT_THAT(openai.models, ElementsAre("gpt-*"));
  const ProviderSettings& local = s.providers[1];
  EXPECT_THAT(local.chat, ElementsAre(LocalChatSettings{"c", "/etc/weir/s", "/etc/weir/m", 512, 2, 3}));
  ASSERT_EQ(local.embeddings.size(), 2u);
  EXPECT_EQ(local.embeddings[0],
            (LocalEmbeddingsSettings{"e", "/etc/weir/l", "/etc/weir/m", "/etc/weir/t", Pooling::kMean, 4}));
  ASSERT_EQ(s.models.size(), 1u);
  EXPECT_THAT(s.models[0].aliases, ElementsAre("faster"));
  EXPECT_THAT(s.models[0].targets,
              ElementsAre(TargetSettings{"openai", "fast"}, TargetSettings{"local", "c"}));
  EXPECT_EQ(s.models[0].timeouts.over(openai.timeouts).total, milliseconds(77));
  EXPECT_EQ(s.models[0].timeouts.over(openai.timeouts).idle, milliseconds(4));
  EXPECT_EQ(s.models[0].body_bytes, 1024);
  EXPECT_THAT(s.auth.keys[0].roles, ElementsAre("viewer", "billing"));
  EXPECT_EQ(s.accounts, (AccountsSettings{false, Secret(std::string_view("0123456789abcdef0123456789abcdef")),
                                          milliseconds(250), 90}));
  EXPECT_EQ(s.admin, (AdminSettings{false, "127.0.0.1:9443", 5}));
  EXPECT_EQ(s.shared, (SharedSettings{Secret(std::string_view("postgresql://weir@db/weir")),
                                      Secret(std::string_view("redis://cache:6379")), "weir_2"}));
  EXPECT_EQ(s.log, (LogSettings{LogLevel::kWarn, "/etc/weir/weir.log", false}));
  EXPECT_EQ(s.metrics.enabled, false);
  EXPECT_EQ(s.metrics.listen, "127.0.0.1:9090");
}

TEST(Settings, ReferencesAndEscapes) {
  EXPECT_EQ(good("server: { cores: \"${env:CORES}\" }").server.cores, 3);
  auto key_of = [](std::string_view key) {
    return good(fmt::format("providers: [{{ name: p, kind: openai, base_url: 'http://h', api_key: '{}' }}]",
                            key))
        .providers.at(0)
        .api_key;
  };
  EXPECT_EQ(key_of("${file:relative}").reveal(), "sk-relative");
  EXPECT_EQ(key_of("a-${env:KEY}-${env:CORES}").reveal(), "a-sk-from-environment-3");
  EXPECT_EQ(key_of("$${env:KEY}").reveal(), "${env:KEY}");
  EXPECT_EQ(key_of("a$b$$c$").reveal(), "a$b$$c$");
}

TEST(Settings, AliasesStandForTheirAnchors) {
  Settings s = good(R"(
providers:
  - { name: a, kind: openai, base_url: "http://a", timeouts: &slow { total_ms: 1000 } }
  - { name: b, kind: openai, base_url: "http://b", timeouts: *slow }
)");
  ASSERT_EQ(s.providers.size(), 2u);
  EXPECT_EQ(s.providers[1].timeouts.total, milliseconds(1000));
  EXPECT_EQ(s.providers[0].timeouts, s.providers[1].timeouts);
}

TEST(Settings, PartsCompareSoThatAReloadKeepsWhatDidNotChange) {
  std::string yaml =
      "providers:\n  - { name: a, kind: openai, base_url: 'http://a', api_key: k1 }\n"
      "models: [{ name: m, targets: [{ provider: a }] }]\n";
  Settings before = good(yaml), same = good(yaml);
  EXPECT_EQ(before, same);
  yaml.replace(yaml.find("k1"), 2, "k2");
  Settings after = good(yaml);
  EXPECT_FALSE(before.providers == after.providers);
  EXPECT_EQ(before.models, after.models);
  EXPECT_EQ(before.server, after.server);
}

TEST(Settings, ExampleFileIsGood) {
  SettingsSources sources;
  sources.environment = [](const std::string& name) { return std::optional("value-of-" + name); };
  SettingsOutcome outcome = parse_settings(source_file("deploy/weir.example.yaml"), sources);
  for (const SettingsProblem& problem : outcome.problems)
    ADD_FAILURE() << to_string(problem, "weir.example.yaml");
  ASSERT_TRUE(outcome.settings);
  EXPECT_EQ(outcome.settings->models.size(), 3u);
}

// ---- what is refused

struct Refusal {
  std::string_view yaml;
  std::vector<std::string> texts;
};

class SettingsRefuse : public testing::TestWithParam<Refusal> {};

TEST_P(SettingsRefuse, WithLineAndColumn) {
  EXPECT_EQ(problems(GetParam().yaml), GetParam().texts) << GetParam().yaml;
}

const Refusal kShape[] = {
    {"", {"f:1:1: empty"}},
    {"# only a comment\n", {"f:1:1: empty"}},
    {"~", {"f:1:1: empty"}},
    {"[]", {"f:1:1: must be a map of keys and values; it is a list"}},
    {"just text", {"f:1:1: must be a map of keys and values; it is a single value"}},
    {"server: {}\n---\nserver: {}\n", {"f:3:1: one document only; this is the start of a second one"}},
    {"server: [", {"f:1:9: not valid YAML: what starts here has no end"}},
    {"server:\n\tcores: 1\n", {"f:2:1: not valid YAML: a tab in the indentation; use spaces"}},
    {"server: !!map {}\n", {"f:1:9: not valid YAML: YAML tags are not used here"}},
    {"server: *nothing\n", {"f:1:9: not valid YAML: the referenced anchor is not defined"}},
    {"server: &a { limits: *a }\n",
     {"f:1:22: not valid YAML: an alias cannot stand inside the thing it names"}},
    {"serve: {}\n", {"f:1:1: unknown key \"serve\"; did you mean \"server\"?"}},
    {"server:\n  lsiten: x\n", {"f:2:3: server: unknown key \"lsiten\"; did you mean \"listen\"?"}},
    {"server:\n  api-key: x\n", {"f:2:3: server: unknown key"}},
    {"tls: {}\n", {"f:1:1: unknown key \"tls\"; it belongs to \"server\""}},
    {"log:\n  models: []\n  zzzzzz: 1\n",
     {"f:2:3: log: unknown key \"models\"", "f:3:3: log: unknown key \"zzzzzz\""}},
    {"server: {cores: 1}\nlog: {}\nserver: {cores: 2}\n", {"f:3:1: the key \"server\" is already in line 1"}},
    {"? [a]\n: b\n", {"f:1:3: a key must be a word"}},
    {"server: 5\n", {"f:1:9: server: must be a map of keys and values; it is a single value"}},
    {"providers: { name: x }\n", {"f:1:12: providers: must be a list; it is a map"}},
    {"features:\n  fast: true\n", {"f:2:3: features: unknown feature; none exist in this version"}},
};

const Refusal kValues[] = {
    {"server: { cores: many }", {"f:1:18: server.cores: must be a whole number from 0 to 1024"}},
    {"server: { cores: 1.5 }", {"f:1:18: server.cores: must be a whole number from 0 to 1024"}},
    {"server: { cores: 0x10 }", {"f:1:18: server.cores: must be a whole number from 0 to 1024"}},
    {"server: { cores: +1 }", {"f:1:18: server.cores: must be a whole number from 0 to 1024"}},
    {"server: { cores: \"4\" }", {"f:1:18: server.cores: must be a whole number, without quotes"}},
    {"server: { cores: -1 }", {"f:1:18: server.cores: must be from 0 to 1024"}},
    {"server: { cores: 99999999999999999999 }", {"f:1:18: server.cores: must be from 0 to 1024"}},
    {"server: { cores: [1] }", {"f:1:18: server.cores: must be a single value; it is a list"}},
    {"log: { requests: yes }", {"f:1:18: log.requests: must be true or false"}},
    {"log: { requests: \"true\" }", {"f:1:18: log.requests: must be true or false, without quotes"}},
    {"log: { level: loud }", {"f:1:15: log.level: must be one of: debug, info, warn, error"}},
    {"log: { file: \"\" }", {"f:1:14: log.file: must not be empty"}},
    {"log: { file: \"a\\nb\" }", {"f:1:14: log.file: must be one line without control characters"}},
    {"server: { listen: [] }", {"f:1:19: server.listen: must have at least one entry"}},
    {"server: { listen: [\"a:1\", \"a:1\"] }", {"f:1:27: server.listen[1]: is in this list twice"}},
    {"server: { listen: 8080 }", {"f:1:19: server.listen: must be host:port, [v6]:port or unix:/path"}},
    {"server: { listen: \":8080\" }",
     {"f:1:19: server.listen: the host is missing (0.0.0.0 listens everywhere)"}},
    {"server: { listen: \"a:70000\" }", {"f:1:19: server.listen: the port must be a number from 0 to 65535"}},
    {"server: { listen: \"::1:80\" }",
     {"f:1:19: server.listen: the host must be a name, an IPv4 address or an IPv6 address in brackets"}},
    {"metrics: { listen: \"unix:x\" }",
     {"f:1:20: metrics.listen: after unix: comes an absolute path of at most 100 characters"}},
    {"server: { tls: { certificate: a } }", {"f:1:16: server.tls: \"private_key\" is missing"}},
    {"server: { limits: { header_bytes: 1024 } }",
     {"f:1:35: server.limits.header_bytes: limits.target_bytes is a part of limits.header_bytes and cannot "
      "be "
      "larger"}},
    {"log: { file: \"${env:MISSING}\" }", {"f:1:14: log.file: the environment variable MISSING is not set"}},
    {"log: { file: \"${env:A B}\" }",
     {"f:1:14: log.file: the name in ${env:NAME} is made of letters, digits and _"}},
    {"log: { file: \"${file:gone}\" }",
     {"f:1:14: log.file: the file /etc/weir/gone cannot be read: no such file"}},
    {"log: { file: \"${file:/huge}\" }", {"f:1:14: log.file: its reference is larger than 64 KiB"}},
    {"log: { file: \"${KEY}\" }",
     {"f:1:14: log.file: after ${ comes env:NAME} or file:PATH}; write $${ for the characters themselves"}},
    {"log: { file: \"${env:KEY\" }",
     {"f:1:14: log.file: ${ without its }; write $${ for the characters themselves"}},
};

const Refusal kAuth[] = {
    {"auth: { keys: [ { key: 12345678 } ] }", {"f:1:17: auth.keys[0]: \"name\" is missing"}},
    {"auth: { keys: [ { name: a } ] }", {"f:1:17: auth.keys[0]: \"key\" or \"hash\" is missing"}},
    {"auth:\n  keys:\n    - name: a\n      key: 12345678\n      hash: x\n",
     {"f:3:7: auth.keys[0]: give \"key\" or \"hash\", not both"}},
    {"auth: { keys: [ { name: a, key: short } ] }",
     {"f:1:33: auth.keys[0].key: must have 8 to 512 characters"}},
    {"auth: { keys: [ { name: a, key: with a space } ] }",
     {"f:1:33: auth.keys[0].key: must be printable ASCII without spaces"}},
    {"auth: { keys: [ { name: a, hash: \"md5:00\" } ] }",
     {"f:1:34: auth.keys[0].hash: must have 71 characters"}},
    {"auth: { keys: [ { name: a b, key: 12345678 } ] }",
     {"f:1:25: auth.keys[0].name: must be printable ASCII without spaces, quotes, \\ or *"}},
    {"auth: { keys: [ { name: a, key: 12345678, models: [] } ] }",
     {"f:1:51: auth.keys[0].models: must have at least one entry"}},
    {"auth: { keys: [ { name: a, key: 12345678, models: [\"a*b\", x, x] } ] }",
     {"f:1:52: auth.keys[0].models[0]: must be a model's name, or the start of one and then *",
      "f:1:62: auth.keys[0].models[2]: is in this list twice"}},
    {"auth:\n  keys:\n    - { name: a, key: 12345678 }\n    - { name: a, key: 123456789 }\n",
     {"f:4:15: auth.keys[1].name: another key has this name"}},
    {"auth:\n  keys:\n    - { name: a, key: 12345678 }\n    - { name: b, key: 12345678 }\n",
     {"f:4:23: auth.keys[1].key: is the same key as \"a\""}},
    {"auth: { keys: [ just-text ] }",
     {"f:1:17: auth.keys[0]: must be a map of keys and values; it is a single value"}},
};

const Refusal kProviders[] = {
    {"providers: [{}]",
     {"f:1:13: providers[0]: \"kind\" is missing", "f:1:13: providers[0]: \"name\" is missing"}},
    {"providers: [{ name: p, kind: openai }]", {"f:1:13: providers[0]: \"base_url\" is missing"}},
    {"providers: [{ name: p, kind: local }]",
     {"f:1:13: providers[0]: \"chat\" or \"embeddings\" is missing"}},
    {"providers: [{ name: p, kind: bedrock }]",
     {"f:1:30: providers[0].kind: must be one of: openai, local, anthropic, ollama, gemini, azure, cerebras, "
      "deepseek, fireworks, groq, llama.cpp, lmstudio, mistral, openrouter, perplexity, sglang, together, "
      "vllm, xai"}},
    {"providers:\n  - name: p\n    kind: openai\n    base_url: ftp://x\n",
     {"f:4:15: providers[0].base_url: must start with http://, https:// or unix:"}},
    {"providers: [{ name: p, kind: openai, base_url: \"http://h\", chat: [] }]",
     {"f:1:66: providers[0].chat: must have at least one entry",
      "f:1:66: providers[0].chat: only a provider of kind local has this"}},
    {"providers:\n  - { name: p, kind: local, chat: { name: c, server: s, model: m }, api_key: x }\n",
     {"f:2:78: providers[0].api_key: a provider of kind local has none"}},
    {"providers: [{ name: p, kind: openai, base_url: \"http://h\", api_key: \"${env:BAD}\" }]",
     {"f:1:69: providers[0].api_key: must be one line without control characters"}},
    {"providers: [{ name: p, kind: openai, base_url: \"http://h\", api_key: \"${env:EMPTY}\" }]",
     {"f:1:69: providers[0].api_key: must not be empty"}},
    {"providers: [{ name: p, kind: anthropic, messages_api: true }]",
     {"f:1:55: providers[0].messages_api: only a provider of kind ollama or of OpenAI's kind has this"}},
    {"providers: [{ name: p, kind: openai, base_url: \"http://h\", ca_file: x }]",
     {"f:1:69: providers[0].ca_file: only an https:// base_url uses it"}},
    {"providers:\n  - name: p\n    kind: openai\n    base_url: http://h\n    headers:\n      Host: x\n"
     "      authorization: x\n      \"a b\": x\n      X-A: \"${env:BAD}\"\n      X-B: 1\n      x-b: 2\n",
     {"f:6:7: providers[0].headers: this header is written by the gateway and cannot be set",
      "f:7:7: providers[0].headers: the Authorization header is made from api_key",
      "f:8:7: providers[0].headers: is not the name of a header",
      "f:9:12: providers[0].headers: must be one line without control characters",
      "f:11:7: providers[0].headers: this header is given twice"}},
    {"providers:\n  - { name: p, kind: openai, base_url: \"http://h\", models: [\"*\"] }\n"
     "  - { name: p, kind: openai, base_url: \"http://h\", models: [\"*\"] }\n",
     {"f:3:13: providers[1].name: another provider has this name",
      "f:3:60: providers[1].models: another provider already takes \"*\""}},
    {"providers:\n  - name: p\n    kind: local\n    chat: { name: c, server: s, model: m }\n"
     "    embeddings: { name: c, library: l, model: m, tokenizer: t }\n",
     {"f:5:25: providers[0].embeddings.name: another model of this provider has this name"}},
};

const Refusal kModels[] = {
    {"models: [{ name: m }]", {"f:1:10: models[0]: \"targets\" is missing"}},
    {"models: [{ name: m, targets: [] }]", {"f:1:30: models[0].targets: must have at least one entry"}},
    {"models: [{ name: m, targets: [{ provider: p }] }]",
     {"f:1:43: models[0].targets[0].provider: there is no provider of this name"}},
    {"providers: [{ name: p, kind: openai, base_url: \"http://h\" }]\n"
     "models:\n"
     "  - { name: m, aliases: [n, m, \"x y\"], targets: [{ provider: p }, { provider: p, model: m }] }\n"
     "  - { name: n, targets: [{ provider: p }], limits: { body_bytes: 1073741824 } }\n",
     {"f:3:29: models[0].aliases[1]: another model or alias has this name",
      "f:3:32: models[0].aliases[2]: must be printable ASCII without spaces, quotes, \\ or *",
      "f:3:67: models[0].targets[1]: this target is listed twice",
      "f:4:13: models[1].name: another model or alias has this name",
      "f:4:66: models[1].limits.body_bytes: is larger than server.limits.body_bytes"}},
    {"providers: [{ name: l, kind: local, chat: { name: c, server: s, model: m } }]\n"
     "models:\n  - { name: c, targets: [{ provider: l }] }\n  - { name: d, targets: [{ provider: l }] }\n",
     {"f:4:26: models[1].targets[0]: the local provider has no model of this name"}},
};

INSTANTIATE_TEST_SUITE_P(Shape, SettingsRefuse, testing::ValuesIn(kShape));
INSTANTIATE_TEST_SUITE_P(Values, SettingsRefuse, testing::ValuesIn(kValues));
INSTANTIATE_TEST_SUITE_P(Auth, SettingsRefuse, testing::ValuesIn(kAuth));
INSTANTIATE_TEST_SUITE_P(Providers, SettingsRefuse, testing::ValuesIn(kProviders));
INSTANTIATE_TEST_SUITE_P(Models, SettingsRefuse, testing::ValuesIn(kModels));

TEST(Settings, WhatReplicasShareIsCheckedBeforeTheStart) {
  EXPECT_THAT(problems("shared: { schema: Weir }"),
              ElementsAre(HasSubstr("shared.schema: must be of the letters")));
  for (std::string_view schema : {"2weir", "pg_weir", "we-ir", "we\"ir", "we ir"})
    EXPECT_THAT(problems(fmt::format("shared: {{ schema: '{}' }}", schema)),
                ElementsAre(HasSubstr("shared.schema: must be of the letters")))
        << schema;
  EXPECT_THAT(problems("shared: { redis: 'http://secret-host' }"),
              ElementsAre(AllOf(HasSubstr("shared.redis: must begin with"), Not(HasSubstr("secret-host")))));
  EXPECT_THAT(problems("shared: { postgres: 'host=db password=secret-word' }"),
              ElementsAre(AllOf(HasSubstr("shared.postgres: needs \"accounts.pepper\""),
                                Not(HasSubstr("secret-word")))));
  EXPECT_THAT(problems("shared: { postgres: 'host=db' }\naccounts: { enabled: false }"), IsEmpty());
}

// A secret put into every wrong place one can think of shows in no problem's text.
TEST(Settings, SecretsNeverShowInProblems) {
  constexpr std::string_view kFiles[] = {
      "auth: { keys: [ sk-s3cr3t ] }",
      "auth: { keys: [ { name: a, sk-s3cr3t: x } ] }",
      "auth: { keys: { name: a, key: sk-s3cr3t } }",
      "auth: { keys: [ { name: a, key: 'sk-s3cr3t with space' } ] }",
      "auth: { keys: [ { name: a, hash: 's3cr3t' } ] }",
      "auth: { keys: [ { name: a, key: 's3cr3t-1' }, { name: b, key: 's3cr3t-1' } ] }",
      "auth: { anonymous: s3cr3t }",
      "auth: { keys: s3cr3t }",
      "s3cr3t",
      "s3cr3t: 1",
      "s3cr3t: 1\ns3cr3t: 2",
      "server: *s3cr3t",
      "server: !s3cr3t x",
      "server: { listen: s3cr3t }",
      "server: { cores: s3cr3t }",
      "log: { requests: s3cr3t }",
      "providers: [ { name: p, kind: openai, base_url: 's3cr3t' } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://user:s3cr3t@h' } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: [ s3cr3t ] } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: { s3cr3t: s3cr3t } } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: '${s3cr3t}' } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: \"s3cr3t\\q\" } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: \"s3cr3t\" s3cr3t } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', headers: { s3cr3t: \"s3cr3t\\n\" } } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', headers: { 'Bearer s3cr3t': a } } ]",
      "providers: [ { name: p, kind: openai, base_url: 'http://h', api_key: 's3cr3t ${env:BAD}' } ]",
  };
  for (std::string_view yaml : kFiles) {
    std::vector<std::string> texts = problems(yaml);
    EXPECT_FALSE(texts.empty()) << yaml;
    for (const std::string& text : texts)
      EXPECT_THAT(text, testing::Not(HasSubstr("s3cr3t"))) << yaml;
  }
}

TEST(Settings, ReportsAtMostAHundredProblems) {
  std::string yaml;
  for (int i = 0; i < 300; ++i)
    yaml += fmt::format("key_{}: 1\n", i);
  EXPECT_EQ(problems(yaml).size(), 100u);
}

// ---- bounds of the text itself

TEST(Settings, HostileYamlIsBounded) {
  EXPECT_THAT(problems("# " + std::string(1 << 20, 'x')), ElementsAre("f:1:1: larger than 1 MiB"));
  EXPECT_THAT(problems(std::string(100, '[')), ElementsAre(HasSubstr("nested too deep (32 levels)")));
  EXPECT_THAT(problems("server: " + std::string(31, '[') + std::string(31, ']')),
              ElementsAre(HasSubstr("must be a map")));
  EXPECT_THAT(problems("server: " + std::string(32, '[') + std::string(32, ']')),
              ElementsAre(HasSubstr("nested too deep (32 levels)")));

  // Nine lists, each of nine aliases of the one before: 9^9 nodes if they were unfolded.
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 9; ++k)
      bomb += fmt::format("{}*a{}", k == 0 ? "" : ",", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(problems(bomb), ElementsAre(HasSubstr("too large (100000 nodes, aliases unfolded)")));

  std::string tower = "a0: &a0 [x]\n";
  for (int i = 1; i < 60; ++i)
    tower += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_THAT(problems(tower), ElementsAre(HasSubstr("nested too deep (32 levels)")));
}

// ---- services and the registry

TEST(Settings, AServiceIsOpenAisWireWithItsOwnAddress) {
  for (const Service& s : services()) {
    std::string url = s.base_url.empty() ? ", base_url: \"http://h/v1\"" : "";
    Settings made = good("providers: [{ name: p, kind: " + std::string(s.word) + url + " }]");
    ASSERT_EQ(made.providers.size(), 1u) << s.word;
    EXPECT_EQ(made.providers[0].kind, ProviderKind::kOpenAi);
    EXPECT_EQ(made.providers[0].service, s.word);
    EXPECT_EQ(made.providers[0].base_url, *BaseUrl::parse(s.base_url.empty() ? "http://h/v1" : s.base_url));
    if (s.base_url.empty())
      EXPECT_THAT(problems("providers: [{ name: p, kind: " + std::string(s.word) + " }]"), Not(IsEmpty()));
  }
  // The words stand behind those of the wires in one choice: the same order.
  std::string words = "openai|local|anthropic|ollama|gemini";
  for (const Service& s : services())
    words += "|" + std::string(s.word);
  auto row = std::ranges::find_if(
      settings_keys(), [](const SettingsKey& k) { return k.section == "providers" && k.key == "kind"; });
  EXPECT_EQ(row->choices, words);
}

TEST(Settings, AServicesVariableIsForItsOwnAddressOnly) {
  SettingsSources sources = test_sources();
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "GROQ_API_KEY") return "gsk-1";
    return std::nullopt;
  };
  auto key = [&](std::string more) {
    auto outcome = parse_settings("providers: [{ name: p, kind: groq" + more + " }]", sources);
    return std::string(outcome.settings->providers[0].api_key.reveal());
  };
  EXPECT_EQ(key(""), "gsk-1");
  EXPECT_EQ(key(", api_key: other"), "other");
  EXPECT_EQ(key(", base_url: \"https://elsewhere.example/v1\""), "");
}

TEST(Settings, TheRegistryNamesModelsOfProviders) {
  constexpr std::string_view kProvider =
      "providers: [{ name: p, kind: openai, base_url: \"http://h/v1\" }]\n";
  Settings s = good(
      std::string(kProvider) +
      "registry: [{ provider: p, model: \"llama*\", context_tokens: 8192, prefill: true, input_usd: 0.15, "
      "output_usd: \"1\", cache_read_usd: 0.0375 }]\n");
  ASSERT_EQ(s.registry.size(), 1u);
  EXPECT_EQ(s.registry[0].context_tokens, 8192);
  EXPECT_EQ(s.registry[0].prefill, true);
  EXPECT_FALSE(s.registry[0].tools.has_value());
  EXPECT_EQ(s.registry[0].input_nanodollars, 150'000'000);
  EXPECT_EQ(s.registry[0].output_nanodollars, 1'000'000'000);
  EXPECT_EQ(s.registry[0].cache_read_nanodollars, 37'500'000);
  EXPECT_FALSE(s.registry[0].cache_write_nanodollars.has_value());
  for (std::string_view bad :
       {"{ provider: q, model: m }", "{ provider: p, model: \"a*b\" }",
        "{ provider: p, model: m, input_usd: -1 }", "{ provider: p, model: m, input_usd: 1e3 }",
        "{ provider: p, model: m }, { provider: p, model: m }"})
    EXPECT_THAT(problems(std::string(kProvider) + "registry: [" + std::string(bad) + "]"), Not(IsEmpty()))
        << bad;
}

TEST(Settings, ReadsTheLimitsOfAKey) {
  auto limits = [](std::string_view text) {
    return fmt::format("auth:\n  keys:\n    - name: k\n      key: 12345678\n      limits: {{ {} }}\n", text);
  };
  Limits read =
      good(limits("requests_per_minute: 60, usd_per_minute: 0.5, streams: 2, budgets: [ { period: day, "
                  "usd: \"12.50\" }, { period: month, tokens: 1000 } ]"))
          .auth.keys.front()
          .limits;
  EXPECT_EQ(read.requests_per_minute, 60);
  EXPECT_EQ(read.nanodollars_per_minute, 500'000'000);
  EXPECT_EQ(read.streams, 2);
  ASSERT_EQ(read.budgets.size(), 2u);
  EXPECT_EQ(read.budgets[0], (Budget{BudgetPeriod::kDay, 12'500'000'000, {}}));
  EXPECT_EQ(read.budgets[1], (Budget{BudgetPeriod::kMonth, {}, 1000}));
  EXPECT_THAT(problems(limits("budgets: [ { period: day } ]")),
              ElementsAre(HasSubstr("\"usd\" or \"tokens\"")));
  EXPECT_THAT(problems(limits("budgets: [ { period: day, usd: 1 }, { period: day, tokens: 1 } ]")),
              ElementsAre(HasSubstr("another budget has this period")));
  EXPECT_THAT(problems(limits("usd_per_minute: 0")), ElementsAre(HasSubstr("more than nothing")));
  EXPECT_THAT(problems(limits("budgets: [ { period: week, usd: 1 } ]")), ElementsAre(HasSubstr("period")));
}

// ---- the table of keys, the schema and the parser say the same

std::string schema_text() {
  return source_file("docs/weir.schema.json");
}

/// The row's key in the schema: through properties, and through items or anyOf where a list is between.
simdjson::dom::element schema_of(simdjson::dom::element root, std::string_view path) {
  auto child = [](simdjson::dom::element at, std::string_view key) {
    simdjson::dom::element next;
    if (at["items"].get(next) == simdjson::SUCCESS) at = next;
    if (at["anyOf"].get(next) == simdjson::SUCCESS) at = next.at(0).value();
    return at["properties"][key].value();
  };
  while (!path.empty()) {
    size_t dot = std::min(path.find('.'), path.size());
    root = child(root, path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return root;
}

std::string path_of(const SettingsKey& row) {
  return row.section.empty() ? std::string(row.key) : fmt::format("{}.{}", row.section, row.key);
}

void collect_keys(simdjson::dom::element at, const std::string& path, std::set<std::string>& keys) {
  simdjson::dom::element next;
  if (at["items"].get(next) == simdjson::SUCCESS) at = next;
  if (at["anyOf"].get(next) == simdjson::SUCCESS) at = next.at(0).value();
  simdjson::dom::object properties;
  if (at["properties"].get(properties) != simdjson::SUCCESS) return;
  bool more = true;
  EXPECT_EQ(at["additionalProperties"].get(more), simdjson::SUCCESS) << path;
  EXPECT_FALSE(more) << path;
  for (auto [key, value] : properties) {
    std::string name = path.empty() ? std::string(key) : path + "." + std::string(key);
    keys.insert(name);
    collect_keys(value, name, keys);
  }
}

TEST(SettingsSchema, HasTheSameKeys) {
  simdjson::dom::parser parser;
  simdjson::padded_string text(schema_text());
  simdjson::dom::element schema = parser.parse(text).value();
  std::set<std::string> in_schema, in_table;
  collect_keys(schema, "", in_schema);
  for (const SettingsKey& row : settings_keys())
    EXPECT_TRUE(in_table.insert(path_of(row)).second) << path_of(row);
  EXPECT_EQ(in_schema, in_table);
}

TEST(SettingsSchema, HasTheSameBoundsChoicesAndRequiredKeys) {
  using enum SettingsKey::Type;
  simdjson::dom::parser parser;
  simdjson::padded_string text(schema_text());
  simdjson::dom::element schema = parser.parse(text).value();
  for (const SettingsKey& row : settings_keys()) {
    SCOPED_TRACE(path_of(row));
    simdjson::dom::element key = schema_of(schema, path_of(row)), first = key, choices;
    ASSERT_EQ(key["description"].error(), simdjson::SUCCESS);
    if (key["anyOf"].get(choices) == simdjson::SUCCESS)
      first = choices.at(row.type == kOneOrList ? 1 : 0).value();
    auto number = [&](std::string_view name) { return int64_t{first[name]}; };
    std::string_view type = row.type == kChoice        ? ""
                            : first["type"].is_array() ? std::string_view(first["type"].at(0))
                                                       : std::string_view(first["type"]);
    switch (row.type) {
      case kInteger:
        EXPECT_EQ(type, "integer");
        EXPECT_EQ(number("minimum"), row.min);
        EXPECT_EQ(number("maximum"), row.max);
        break;
      case kString:
      case kSecret:
      case kFile:
        EXPECT_EQ(type, "string");
        EXPECT_EQ(number("minLength"), row.min);
        EXPECT_EQ(number("maxLength"), row.max);
        break;
      case kList:
      case kOneOrList:
        EXPECT_EQ(type, "array");
        EXPECT_EQ(number("minItems"), row.min);
        EXPECT_EQ(number("maxItems"), row.max);
        break;
      case kMap:
        EXPECT_EQ(type, "object");
        EXPECT_EQ(number("maxProperties"), row.max);
        break;
      case kChoice: {
        std::string joined;
        for (std::string_view choice : first["enum"])
          joined += (joined.empty() ? "" : "|") + std::string(choice);
        EXPECT_EQ(joined, row.choices);
        break;
      }
      case kBoolean:
        EXPECT_EQ(type, "boolean");
        break;
      case kSection:
        EXPECT_EQ(type, "object");
        break;
    }
    simdjson::dom::element section = schema_of(schema, row.section), inner;
    if (section["items"].get(inner) == simdjson::SUCCESS) section = inner;
    if (section["anyOf"].get(inner) == simdjson::SUCCESS) section = inner.at(0).value();
    bool required = false;
    simdjson::dom::array names;
    if (section["required"].get(names) == simdjson::SUCCESS)
      for (std::string_view name : names)
        required = required || name == row.key;
    EXPECT_EQ(required, row.required);
  }
}

/// A good file in which one more key may be written into any section.
std::string file_with(std::string_view section, std::string_view line) {
  struct Part {
    std::string_view section, head, indent;
  };
  // Sections that exist only by the line itself (limits, timeouts) carry no other key.
  static constexpr Part kParts[] = {
      {"server", "server:\n  listen: a:1", "  "},
      {"server.limits", "  limits:", "    "},
      {"server.timeouts", "  timeouts:", "    "},
      {"auth", "auth:", "  "},
      {"auth.keys", "  keys:\n    - name: k\n      key: 12345678", "      "},
      {"auth.keys.limits", "      limits:", "        "},
      {"auth.keys.limits.budgets", "        budgets:\n          - period: day\n            usd: 1",
       "            "},
      {"auth.keys.limits.each_agent", "        each_agent:", "          "},
      {"auth.issuers", "  issuers:\n    - name: i\n      issuer: https://id.test", "      "},
      {"providers", "providers:\n  - name: p\n    kind: openai\n    base_url: http://h", "    "},
      {"providers.timeouts", "    timeouts:", "      "},
      {"", "  - name: l\n    kind: local", ""},
      {"providers.chat", "    chat:\n      name: c\n      server: s\n      model: m", "      "},
      {"providers.embeddings",
       "    embeddings:\n      name: e\n      library: l\n      model: m\n      tokenizer: t", "      "},
      {"models", "models:\n  - name: m\n    targets: [{ provider: p }]", "    "},
      {"models.timeouts", "    timeouts:", "      "},
      {"models.limits", "    limits:", "      "},
      {"registry", "registry:\n  - provider: p\n    model: r", "    "},
      {"retries", "retries:", "  "},
      {"health", "health:", "  "},
      {"accounts", "accounts:", "  "},
      {"admin", "admin:", "  "},
      {"shared", "shared:", "  "},
      {"log", "log:", "  "},
      {"metrics", "metrics:", "  "},
      {"data", "data:", "  "},
      {"events", "events:", "  "},
      {"responses", "responses:", "  "},
      {"alerts", "alerts:", "  "},
      {"alerts.rules", "  rules:\n    - name: r\n      measure: p95_ms\n      above: 1", "      "},
      {"alerts.webhooks", "  webhooks:\n    - name: w\n      url: https://h", "      "},
  };
  std::string file;
  bool placed = false;
  for (const Part& part : kParts) {
    file += fmt::format("{}\n", part.head);
    if (part.section != section || section.empty()) continue;
    file += fmt::format("{}{}\n", part.indent, line);
    placed = true;
  }
  EXPECT_TRUE(placed) << section;
  return file;
}

// Every row with bounds is tried at both ends and one beyond: a row that the parser forgot to read would
// show.
TEST(SettingsSchema, ParserKeepsEveryBoundOfTheTable) {
  int tried = 0;
  for (const SettingsKey& row : settings_keys()) {
    if (row.type != SettingsKey::Type::kInteger) continue;
    SCOPED_TRACE(path_of(row));
    auto with = [&](int64_t value) {
      return problems(file_with(row.section, fmt::format("{}: {}", row.key, value)));
    };
    auto refused = ElementsAre(HasSubstr(fmt::format("must be from {} to {}", row.min, row.max)));
    EXPECT_THAT(with(row.min - 1), refused);
    EXPECT_THAT(with(row.max + 1), refused);
    // Two ends collide with another limit, as they should.
    if (path_of(row) != "server.limits.header_bytes") EXPECT_THAT(with(row.min), IsEmpty());
    if (path_of(row) != "models.limits.body_bytes") EXPECT_THAT(with(row.max), IsEmpty());
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

// A default that the schema states is the one in the declaration: writing it out changes nothing.
TEST(SettingsSchema, DefaultsAreThoseOfTheDeclarations) {
  simdjson::dom::parser parser;
  simdjson::padded_string text(schema_text());
  simdjson::dom::element schema = parser.parse(text).value();
  Settings plain = good(file_with("log", ""));
  int compared = 0;
  for (const SettingsKey& row : settings_keys()) {
    simdjson::dom::element value;
    bool stated = schema_of(schema, path_of(row))["default"].get(value) == simdjson::SUCCESS;
    bool has_default = !row.required &&
                       (row.type == SettingsKey::Type::kInteger || row.type == SettingsKey::Type::kBoolean ||
                        row.type == SettingsKey::Type::kChoice) &&
                       !row.section.starts_with("models.") && row.section != "registry" &&
                       !row.section.starts_with("auth.keys.limits");
    if (has_default) EXPECT_TRUE(stated) << path_of(row);
    if (!stated) continue;
    std::string line = fmt::format("{}: {}", row.key, simdjson::minify(value));
    if (path_of(row) == "server.listen") {
      EXPECT_EQ(good("server: { " + line + " }"), defaults());
      continue;
    }
    EXPECT_EQ(good(file_with(row.section, line)), plain) << path_of(row);
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

TEST(SettingsDocs, NameEveryKeyWithItsBoundsAndShowAFileThatWorks) {
  std::string page = source_file("docs/configuration.md");
  for (const SettingsKey& row : settings_keys()) {
    if (row.type == SettingsKey::Type::kSection) continue;
    std::string path = path_of(row);
    if (path == "providers" || path == "models") continue;  // chapters of their own
    size_t start = page.find(fmt::format("\n| `{}` |", path));
    ASSERT_NE(start, std::string::npos) << path;
    std::string line = page.substr(start + 1, page.find('\n', start + 1) - start - 1);
    if (row.type == SettingsKey::Type::kInteger)
      EXPECT_THAT(line, HasSubstr(fmt::format("| {} to {} |", row.min, row.max)));
    EXPECT_EQ(line.contains("| required |"), row.required) << line;
  }
  size_t start = page.find("```yaml\n");
  ASSERT_NE(start, std::string::npos);
  SettingsSources sources;
  sources.environment = [](const std::string& name) { return std::optional("value-of-" + name); };
  SettingsOutcome outcome = parse_settings(
      std::string_view(page).substr(start + 8, page.find("```", start + 8) - start - 8), sources);
  for (const SettingsProblem& problem : outcome.problems)
    ADD_FAILURE() << to_string(problem, "configuration.md");
}

// ---- issuers of tokens

TEST(SettingsIssuers, AreReadWhole) {
  Settings settings = good(R"(
auth:
  issuers:
    - name: corp
      issuer: https://id.test/realms/a
      audiences: [weir, api]
      algorithms: ES256
      jwks_url: https://id.test/keys?p=1
      ca_file: /ca.pem
      type: at+jwt
      tenant_claim: org
      team_claim: team
      user_claim: email
      roles_claim: realm_access.roles
      roles: { weir-admins: admin, ops: operator }
      models: [gpt-4o, "local/*"]
      refresh_ms: 3600000
    - name: plain
      issuer: https://plain.test
    - name: shared
      issuer: anything at all
      hs256_key: 0123456789abcdef0123456789abcdef
      tenant: t1
)");
  ASSERT_EQ(settings.auth.issuers.size(), 3u);
  const TokenIssuerSettings& corp = settings.auth.issuers[0];
  EXPECT_EQ(corp.issuer, "https://id.test/realms/a");
  EXPECT_THAT(corp.audiences, ElementsAre("weir", "api"));
  EXPECT_THAT(corp.algorithms, ElementsAre("ES256"));
  EXPECT_EQ(corp.jwks_url, "https://id.test/keys?p=1");
  EXPECT_EQ(corp.roles.at("weir-admins"), "admin");
  EXPECT_EQ(corp.user_claim, "email");
  EXPECT_EQ(corp.refresh, milliseconds(3'600'000));
  EXPECT_THAT(settings.auth.issuers[1].algorithms, ElementsAre("RS256", "PS256", "ES256", "EdDSA"));
  EXPECT_EQ(settings.auth.issuers[1].user_claim, "sub");
  EXPECT_THAT(settings.auth.issuers[2].algorithms, ElementsAre("HS256"));
}

TEST(SettingsIssuers, WhatWouldBeADoorIsRefused) {
  auto with = [](std::string_view lines) {
    return problems(
        fmt::format("auth:\n  issuers:\n    - name: i\n      issuer: https://id.test\n{}", lines));
  };
  constexpr std::string_view kKey = "      hs256_key: 0123456789abcdef0123456789abcdef\n";
  EXPECT_THAT(with(fmt::format("{}      algorithms: RS256\n", kKey)),
              ElementsAre(HasSubstr("only algorithm")));
  EXPECT_THAT(with(fmt::format("{}      jwks_url: https://id.test/k\n", kKey)),
              ElementsAre(HasSubstr("one of")));
  EXPECT_THAT(with("      algorithms: [RS256, HS256]\n"), ElementsAre(HasSubstr("needs")));
  EXPECT_THAT(with("      algorithms: none\n"), ElementsAre(HasSubstr("must be RS256")));
  EXPECT_THAT(with("      algorithms: [ES256, ES256]\n"), ElementsAre(HasSubstr("twice")));
  EXPECT_THAT(with("      hs256_key: short\n"), ElementsAre(HasSubstr("32")));
  EXPECT_THAT(with("      jwks_url: http://id.test/keys\n"), ElementsAre(HasSubstr("https://")));
  EXPECT_THAT(with("      jwks_url: https://id.test/keys#a\n"), ElementsAre(HasSubstr("fragment")));
  EXPECT_THAT(with("      tenant: a\n      tenant_claim: b\n"), ElementsAre(HasSubstr("not both")));
  EXPECT_THAT(with("      roles: { a: admin }\n"), ElementsAre(HasSubstr("roles_claim")));
  EXPECT_THAT(with("    - name: i\n      issuer: https://other.test\n"), ElementsAre(HasSubstr("this name")));
  EXPECT_THAT(with("    - name: j\n      issuer: https://id.test\n"), ElementsAre(HasSubstr("this issuer")));
  EXPECT_THAT(problems("auth: { issuers: [{ name: i, issuer: no-url }] }"),
              ElementsAre(HasSubstr("discovered")));
}

TEST(SettingsAlerts, AreRead) {
  Settings settings = good(R"(
alerts:
  check_ms: 500
  rules:
    - { name: failures, measure: error_percent, above: 2.5, severity: critical, each: model, over_ms: 60000 }
    - { name: down, measure: target_down, for_ms: 0, provider: p }
    - { name: keys, measure: key_expires }
    - { name: soon, measure: key_expires, over_ms: 86400000 }
  webhooks:
    - { name: ops, url: "https://hooks.test/x", secret: 0123456789abcdef, severity: warning, retry_ms: 20 }
)");
  ASSERT_EQ(settings.alerts.rules.size(), 4u);
  const AlertRuleSettings& first = settings.alerts.rules[0];
  EXPECT_EQ(first.above(), 2.5);
  EXPECT_EQ(first.severity, AlertSeverity::kCritical);
  EXPECT_EQ(first.each, AlertEach::kModel);
  EXPECT_EQ(first.over, milliseconds(60'000));
  EXPECT_EQ(name(first.measure), "error_percent");
  EXPECT_EQ(settings.alerts.rules[1].measure, AlertMeasure::kTargetDown);
  EXPECT_EQ(settings.alerts.rules[1].above(), 0);
  EXPECT_EQ(settings.alerts.rules[2].over, std::chrono::hours(7 * 24));
  EXPECT_EQ(settings.alerts.rules[2].above(), 0);
  EXPECT_EQ(settings.alerts.rules[3].over, std::chrono::hours(24));
  EXPECT_EQ(settings.alerts.webhooks.at(0).severity, AlertSeverity::kWarning);
  EXPECT_EQ(settings.alerts.webhooks.at(0).retry, milliseconds(20));
}

TEST(SettingsAlerts, SayWhatIsWrong) {
  auto rule = [](std::string_view text) { return problems(fmt::format("alerts: {{ rules: [{}] }}", text)); };
  EXPECT_THAT(rule("{ name: a, measure: p95_ms }"), ElementsAre(HasSubstr("\"above\" is missing")));
  EXPECT_THAT(rule("{ name: a, measure: p95_ms, above: much }"), ElementsAre(HasSubstr("must be a number")));
  EXPECT_THAT(rule("{ name: a, measure: budget_percent, above: 1, each: model }"),
              ElementsAre(HasSubstr("only a rule about requests")));
  EXPECT_THAT(rule("{ name: a, measure: target_down, over_ms: 60000 }"),
              ElementsAre(HasSubstr("requests or keys")));
  EXPECT_THAT(rule("{ name: a, measure: target_down }, { name: a, measure: target_down }"),
              ElementsAre(HasSubstr("another rule")));
  auto hook = [](std::string_view text) {
    return problems(fmt::format("alerts: {{ webhooks: [{}] }}", text));
  };
  EXPECT_THAT(hook("{ name: a, url: \"http://hooks.test/\" }"), ElementsAre(HasSubstr("https://")));
  EXPECT_THAT(hook("{ name: a, url: \"https://h.test/\", secret: short }"), ElementsAre(HasSubstr("16")));
}

// ---- pieces

TEST(FetchUrl, IsHttpsOrThisMachine) {
  auto text = [](std::string_view url) {
    Result<FetchUrl> parsed = FetchUrl::parse(url);
    return parsed ? parsed->host_header() + parsed->target : "refused";
  };
  EXPECT_EQ(text("https://id.test"), "id.test/");
  EXPECT_EQ(text("https://id.test:8443/a/?b=c&d"), "id.test:8443/a/?b=c&d");
  EXPECT_EQ(text("https://[2001:db8::1]/k"), "[2001:db8::1]/k");
  EXPECT_EQ(text("https://id.test?x"), "id.test/?x");
  EXPECT_EQ(text("http://localhost:80/k"), "localhost/k");
  EXPECT_EQ(text("http://127.9.9.9:81/k"), "127.9.9.9:81/k");
  EXPECT_EQ(text("http://[::1]/k"), "[::1]/k");
  for (std::string_view url :
       {"http://id.test/k", "http://127.0.0.1.evil.test/", "http://10.0.0.1/", "ftp://id.test/", "unix:/a/b",
        "id.test", "https://u:p@id.test/", "https://id.test/a b", "https://id.test/#x", "https:///k",
        "https://id.test/a\\b", ""})
    EXPECT_EQ(text(url), "refused") << url;
}

TEST(FetchUrl, KnowsPrivateAddresses) {
  for (std::string_view host :
       {"10.1.2.3",    "127.0.0.1",  "0.0.0.0",    "169.254.169.254", "172.16.0.1", "172.31.9.9",
        "192.168.1.1", "100.64.0.1", "192.0.0.8",  "198.18.0.1",      "224.0.0.1",  "::1",
        "::",          "fe80::1",    "fd00::1",    "::ffff:10.0.0.1", "64:ff9b::1", "2002:a00:1::",
        "localhost",   "127.1",      "2130706433", "0x7f.0.0.1"})
    EXPECT_TRUE(is_private_address(host)) << host;
  for (std::string_view host :
       {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "id.test", "9.9.9.9.test"})
    EXPECT_FALSE(is_private_address(host)) << host;
}

TEST(BaseUrl, Parses) {
  auto text = [](std::string_view url) {
    Result<BaseUrl> parsed = BaseUrl::parse(url);
    return parsed ? fmt::format("{}|{}|{}|{}", static_cast<int>(parsed->scheme), parsed->host, parsed->port,
                                parsed->path)
                  : "refused";
  };
  EXPECT_EQ(text("https://api.openai.com/v1"), "1|api.openai.com|443|/v1");
  EXPECT_EQ(text("http://localhost:8081//"), "0|localhost|8081|");
  EXPECT_EQ(text("http://[::1]:80/a/b/"), "0|::1|80|/a/b");
  EXPECT_EQ(text("unix:/run/x.sock"), "2|/run/x.sock|0|");
  for (std::string_view bad : {"",
                               "http:",
                               "http://",
                               "http://:80",
                               "http:///v1",
                               "HTTP://h",
                               "http://h:0",
                               "http://h:65536",
                               "http://h:",
                               "http://h:1x",
                               "http://[::1",
                               "http://[::1]x",
                               "http://[name]",
                               "http://::1",
                               "http://u:p@h",
                               "http://h/a?b",
                               "http://h/a#b",
                               "http://h/a b",
                               "http://h\r\nX: y/",
                               "http://h/\r\nX: y",
                               "unix:",
                               "unix:x",
                               "ftp://h"})
    EXPECT_EQ(text(bad), "refused") << bad;
  for (std::string_view same : {"https://h/v1", "http://h:81", "http://[::1]:8080/v1", "unix:/run/x.sock"})
    EXPECT_EQ(BaseUrl::parse(same).value().to_string(), same);
}

TEST(MatchesPattern, ExactOrPrefix) {
  EXPECT_TRUE(matches_pattern("gpt-4o", "gpt-4o"));
  EXPECT_FALSE(matches_pattern("gpt-4o", "gpt-4o-mini"));
  EXPECT_TRUE(matches_pattern("gpt-*", "gpt-4o"));
  EXPECT_TRUE(matches_pattern("gpt-*", "gpt-"));
  EXPECT_FALSE(matches_pattern("gpt-*", "gpt"));
  EXPECT_TRUE(matches_pattern("*", "anything"));
}

TEST(SettingsProblemText, NamesFileLineColumnAndKey) {
  EXPECT_EQ(to_string({12, 5, "providers[0].base_url", "must be so"}, "weir.yaml"),
            "weir.yaml:12:5: providers[0].base_url: must be so");
  EXPECT_EQ(to_string({1, 1, "", "empty"}, "weir.yaml"), "weir.yaml:1:1: empty");
}

}  // namespace
}  // namespace weir
