// The table of keys: what may be written where, and within which bounds. The parser, docs/weir.schema.json
// and docs/configuration.md follow it (settings_test.cc compares them).
#include "weir/base/settings.h"

namespace weir {
namespace {

using enum SettingsKey::Type;

constexpr bool kRequired = true;
constexpr bool kOptional = false;
constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kNameBytes = 200;
constexpr int64_t kPathBytes = 4096;

// {section, key, type, min, max, required, choices}
constexpr SettingsKey kKeys[] = {
    {"", "server", kSection, 0, 0, kOptional, ""},
    {"", "auth", kSection, 0, 0, kOptional, ""},
    {"", "providers", kList, 0, 256, kOptional, ""},
    {"", "models", kList, 0, 4096, kOptional, ""},
    {"", "registry", kList, 0, 4096, kOptional, ""},
    {"", "retries", kSection, 0, 0, kOptional, ""},
    {"", "health", kSection, 0, 0, kOptional, ""},
    {"", "log", kSection, 0, 0, kOptional, ""},
    {"", "metrics", kSection, 0, 0, kOptional, ""},
    {"", "data", kSection, 0, 0, kOptional, ""},
    {"", "events", kSection, 0, 0, kOptional, ""},
    {"", "responses", kSection, 0, 0, kOptional, ""},
    {"", "features", kMap, 0, 64, kOptional, ""},

    {"server", "listen", kOneOrList, 1, 16, kOptional, ""},
    {"server", "cores", kInteger, 0, 1024, kOptional, ""},
    {"server", "receipts", kBoolean, 0, 0, kOptional, ""},
    {"server", "tls", kSection, 0, 0, kOptional, ""},
    {"server", "limits", kSection, 0, 0, kOptional, ""},
    {"server", "timeouts", kSection, 0, 0, kOptional, ""},
    {"server", "drain_ms", kInteger, 0, 3'600'000, kOptional, ""},
    {"server.tls", "certificate", kFile, 1, kPathBytes, kRequired, ""},
    {"server.tls", "private_key", kFile, 1, kPathBytes, kRequired, ""},
    {"server.limits", "body_bytes", kInteger, 1024, 1 << 30, kOptional, ""},
    {"server.limits", "upload_bytes", kInteger, 1024, int64_t{1} << 40, kOptional, ""},
    {"server.limits", "header_bytes", kInteger, 1024, 1 << 20, kOptional, ""},
    {"server.limits", "headers", kInteger, 8, 1000, kOptional, ""},
    {"server.limits", "target_bytes", kInteger, 256, 65536, kOptional, ""},
    {"server.limits", "connections", kInteger, 1, 1'000'000, kOptional, ""},
    {"server.limits", "body_bytes_per_s", kInteger, 0, 1 << 20, kOptional, ""},
    {"server.limits", "connections_per_client", kInteger, 0, 1'000'000, kOptional, ""},
    {"server.limits", "requests", kInteger, 1, 1'000'000, kOptional, ""},
    {"server.limits", "requests_per_client", kInteger, 0, 1'000'000, kOptional, ""},
    {"server.limits", "delay_ms", kInteger, 0, 60'000, kOptional, ""},
    {"server.limits", "backlog", kInteger, 1, 65535, kOptional, ""},
    {"server.timeouts", "header_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"server.timeouts", "body_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"server.timeouts", "idle_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"server.timeouts", "write_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"server.timeouts", "body_rate_ms", kInteger, 1, kDayMs, kOptional, ""},

    {"auth", "anonymous", kChoice, 0, 0, kOptional, "never|loopback|always"},
    {"auth", "keys", kList, 0, 10'000, kOptional, ""},
    {"auth.keys", "name", kString, 1, kNameBytes, kRequired, ""},
    {"auth.keys", "key", kSecret, 8, 512, kOptional, ""},
    {"auth.keys", "hash", kSecret, 71, 71, kOptional, ""},
    {"auth.keys", "models", kList, 1, 256, kOptional, ""},
    {"auth.keys", "passthrough", kList, 0, kPassedApis, kOptional, ""},

    {"providers", "name", kString, 1, kNameBytes, kRequired, ""},
    {"providers", "kind", kChoice, 0, 0, kRequired,
     "openai|local|anthropic|ollama|gemini|azure|cerebras|deepseek|fireworks|groq|llama.cpp|lmstudio|mistral|"
     "openrouter|perplexity|sglang|together|vllm|xai"},
    {"providers", "models", kList, 1, 256, kOptional, ""},
    {"providers", "base_url", kString, 1, 2048, kOptional, ""},
    {"providers", "api_key", kSecret, 1, 8192, kOptional, ""},
    {"providers", "headers", kMap, 0, 32, kOptional, ""},
    {"providers", "api_version", kString, 1, 64, kOptional, ""},
    {"providers", "passthrough", kList, 0, kPassedApis, kOptional, ""},
    {"providers", "ca_file", kFile, 1, kPathBytes, kOptional, ""},
    {"providers", "connections_max", kInteger, 1, 65536, kOptional, ""},
    {"providers", "queue_max", kInteger, 0, 1'000'000, kOptional, ""},
    {"providers", "timeouts", kSection, 0, 0, kOptional, ""},
    {"providers", "chat", kOneOrList, 1, 16, kOptional, ""},
    {"providers", "embeddings", kOneOrList, 1, 16, kOptional, ""},
    {"providers.timeouts", "queue_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.timeouts", "connect_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.timeouts", "headers_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.timeouts", "first_token_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.timeouts", "idle_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.timeouts", "total_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"providers.chat", "name", kString, 1, kNameBytes, kRequired, ""},
    {"providers.chat", "server", kFile, 1, kPathBytes, kRequired, ""},
    {"providers.chat", "model", kFile, 1, kPathBytes, kRequired, ""},
    {"providers.chat", "context_tokens", kInteger, 256, 16'777'216, kOptional, ""},
    {"providers.chat", "slots", kInteger, 1, 256, kOptional, ""},
    {"providers.chat", "threads", kInteger, 0, 1024, kOptional, ""},
    {"providers.embeddings", "name", kString, 1, kNameBytes, kRequired, ""},
    {"providers.embeddings", "library", kFile, 1, kPathBytes, kRequired, ""},
    {"providers.embeddings", "model", kFile, 1, kPathBytes, kRequired, ""},
    {"providers.embeddings", "tokenizer", kFile, 1, kPathBytes, kRequired, ""},
    {"providers.embeddings", "pooling", kChoice, 0, 0, kOptional, "cls|mean"},
    {"providers.embeddings", "threads", kInteger, 0, 1024, kOptional, ""},

    {"models", "name", kString, 1, kNameBytes, kRequired, ""},
    {"models", "aliases", kList, 0, 64, kOptional, ""},
    {"models", "targets", kList, 1, 32, kRequired, ""},
    {"models", "timeouts", kSection, 0, 0, kOptional, ""},
    {"models", "limits", kSection, 0, 0, kOptional, ""},
    {"models", "fallbacks", kList, 1, 16, kOptional, ""},
    {"models", "when_too_long", kString, 1, kNameBytes, kOptional, ""},
    {"models", "when_cut", kChoice, 0, 0, kOptional, "continue|error"},
    {"models", "hold_ms", kInteger, 0, 60'000, kOptional, ""},
    {"models", "degraded_text", kString, 1, 4096, kOptional, ""},
    {"models.targets", "provider", kString, 1, kNameBytes, kRequired, ""},
    {"models.targets", "model", kString, 1, kNameBytes, kOptional, ""},
    {"models.timeouts", "queue_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.timeouts", "connect_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.timeouts", "headers_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.timeouts", "first_token_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.timeouts", "idle_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.timeouts", "total_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"models.limits", "body_bytes", kInteger, 1024, 1 << 30, kOptional, ""},

    {"registry", "provider", kString, 1, kNameBytes, kRequired, ""},
    {"registry", "model", kString, 1, kNameBytes, kRequired, ""},
    {"registry", "context_tokens", kInteger, 1, 1'000'000'000, kOptional, ""},
    {"registry", "output_tokens", kInteger, 1, 1'000'000'000, kOptional, ""},
    {"registry", "tools", kBoolean, 0, 0, kOptional, ""},
    {"registry", "vision", kBoolean, 0, 0, kOptional, ""},
    {"registry", "audio", kBoolean, 0, 0, kOptional, ""},
    {"registry", "json_schema", kBoolean, 0, 0, kOptional, ""},
    {"registry", "reasoning", kBoolean, 0, 0, kOptional, ""},
    {"registry", "prefill", kBoolean, 0, 0, kOptional, ""},
    {"registry", "input_usd", kString, 1, 20, kOptional, ""},
    {"registry", "output_usd", kString, 1, 20, kOptional, ""},
    {"registry", "cache_read_usd", kString, 1, 20, kOptional, ""},
    {"registry", "cache_write_usd", kString, 1, 20, kOptional, ""},
    {"registry", "cache_write_1h_usd", kString, 1, 20, kOptional, ""},
    {"retries", "max", kInteger, 0, 10, kOptional, ""},
    {"retries", "budget_percent", kInteger, 0, 100, kOptional, ""},
    {"retries", "backoff_ms", kInteger, 1, 60'000, kOptional, ""},
    {"retries", "backoff_max_ms", kInteger, 1, 600'000, kOptional, ""},
    {"retries", "retry_after_max_ms", kInteger, 0, 600'000, kOptional, ""},
    {"health", "check_ms", kInteger, 0, kDayMs, kOptional, ""},
    {"health", "failures", kInteger, 1, 1000, kOptional, ""},
    {"health", "rest_ms", kInteger, 1, 3'600'000, kOptional, ""},
    {"health", "rest_max_ms", kInteger, 1, kDayMs, kOptional, ""},
    {"health", "slow_start_ms", kInteger, 0, 3'600'000, kOptional, ""},

    {"log", "level", kChoice, 0, 0, kOptional, "debug|info|warn|error"},
    {"log", "file", kFile, 1, kPathBytes, kOptional, ""},
    {"log", "requests", kBoolean, 0, 0, kOptional, ""},
    {"metrics", "enabled", kBoolean, 0, 0, kOptional, ""},
    {"metrics", "listen", kString, 1, 256, kOptional, ""},

    {"data", "directory", kFile, 1, kPathBytes, kOptional, ""},
    {"events", "enabled", kBoolean, 0, 0, kOptional, ""},
    {"events", "ring_bytes", kInteger, 64 << 10, 1 << 30, kOptional, ""},
    {"events", "acknowledge", kChoice, 0, 0, kOptional, "ring|disk"},
    {"events", "when_full", kChoice, 0, 0, kOptional, "refuse|count"},
    {"events", "sync_ms", kInteger, 1, 60'000, kOptional, ""},
    {"events", "keep_days", kInteger, 1, 36'500, kOptional, ""},
    {"events", "keep_bytes", kInteger, 1 << 20, int64_t{1} << 50, kOptional, ""},

    {"responses", "store", kBoolean, 0, 0, kOptional, ""},
    {"responses", "keep_days", kInteger, 1, 36'500, kOptional, ""},
    {"responses", "keep_bytes", kInteger, 1 << 20, int64_t{1} << 50, kOptional, ""},
};

}  // namespace

std::span<const SettingsKey> settings_keys() {
  return kKeys;
}

}  // namespace weir
