#include "weir/pipeline/route/route_stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/registry/registry.h"

namespace weir::pipeline {
namespace {

// By these another gateway behind weir (OpenRouter, LiteLLM) is told of further models, which a key that may
// use some models only would reach without naming them to weir.
Result<void> refuse_other_models(const exchange::Exchange& exchange) {
  static constexpr std::string_view kNaming[] = {"models",
                                                 "fallbacks",
                                                 "context_window_fallbacks",
                                                 "content_policy_fallbacks",
                                                 "default_fallbacks",
                                                 "model_list",
                                                 "user_config",
                                                 "model_alias_map",
                                                 "router_settings"};
  if (!exchange.principal.limited()) return {};
  for (std::string_view name : kNaming)
    if (const json::Value* value = exchange.request.document.find(name);
        value && value->type != json::Type::kNull)
      return fail(ErrorCode::kPermissionDenied,
                  fmt::format("'{}' names further models; this key may use some models only", name),
                  std::string(name), "parameter_not_allowed");
  return {};
}

}  // namespace

namespace {

// Of what llama.cpp, Ollama and Anthropic's models do with an assistant's message at the end: they go on with
// it (some of Anthropic's newer ones refuse, which the dispatcher learns from the refusal). Others begin
// anew.
bool goes_on(ProviderKind kind) {
  return kind == ProviderKind::kLocal || kind == ProviderKind::kOllama || kind == ProviderKind::kAnthropic;
}

// Adds the targets of `model` that are not in the list yet.
void add_targets(const Settings& settings, const registry::Registry& registry, const ModelSettings& model,
                 std::vector<exchange::Target>& list) {
  for (const TargetSettings& target : model.targets)
    for (const ProviderSettings& provider : settings.providers) {
      if (provider.name != target.provider) continue;
      auto same = [&](const exchange::Target& t) {
        return t.provider == target.provider && t.model == target.model;
      };
      if (std::ranges::any_of(list, same)) continue;
      const registry::ModelFacts* facts = registry.find(provider.name, target.model);
      list.push_back({provider.name, target.model, model.timeouts.over(provider.timeouts),
                      facts && facts->prefill ? *facts->prefill : goes_on(provider.kind)});
    }
}

}  // namespace

RouteStage::RouteStage(const Settings& settings) : settings_(settings) {
  auto named = [&](std::string_view name) {
    return std::ranges::find(settings.models, name, &ModelSettings::name);
  };
  registry::Registry registry(settings);
  for (const ModelSettings& model : settings.models) {
    Entry entry{&model, {}, {}};
    add_targets(settings, registry, model, entry.targets);
    for (const std::string& fallback : model.fallbacks)
      if (auto found = named(fallback); found != settings.models.end())
        add_targets(settings, registry, *found, entry.targets);
    if (auto found = named(model.when_too_long); found != settings.models.end())
      add_targets(settings, registry, *found, entry.larger);
    size_t index = entries_.size();
    entries_.push_back(std::move(entry));
    by_name_.emplace(model.name, index);
    for (const std::string& alias : model.aliases)
      by_name_.emplace(alias, index);
  }
}

Result<void> RouteStage::route(exchange::Exchange& exchange, std::string_view asked) const {
  auto unknown = [&] {
    return fail(
        ErrorCode::kNotFound,
        fmt::format(
            "The model '{}' does not exist or this key may not use it; GET /v1/models lists what there is.",
            asked),
        "model", "model_not_found");
  };
  if (auto found = by_name_.find(asked); found != by_name_.end()) {
    const Entry& entry = entries_[found->second];
    if (!exchange.principal.may_use(asked) && !exchange.principal.may_use(entry.model->name))
      return unknown();
    if (entry.model->body_bytes &&
        exchange.request.body.size() > static_cast<size_t>(*entry.model->body_bytes))
      return fail(ErrorCode::kPayloadTooLarge,
                  fmt::format("the request body is larger than the {} bytes this model takes",
                              *entry.model->body_bytes));
    exchange.route.model = entry.model->name;
    exchange.route.settings = entry.model;
    exchange.route.targets = entry.targets;
    exchange.route.larger = entry.larger;
    return {};
  }
  if (!exchange.principal.may_use(asked)) return unknown();
  for (const ProviderSettings& provider : settings_.providers) {
    bool local = false;
    for (const LocalChatSettings& chat : provider.chat)
      local = local || chat.name == asked;
    for (const LocalEmbeddingsSettings& embeddings : provider.embeddings)
      local = local || embeddings.name == asked;
    bool passed_through = false;
    for (const std::string& pattern : provider.models)
      passed_through = passed_through || matches_pattern(pattern, asked);
    if (!local && !passed_through) continue;
    exchange.route.model = asked;
    exchange.route.targets = {{provider.name, asked, provider.timeouts, goes_on(provider.kind)}};
    return {};
  }
  return unknown();
}

// Where the request names a model, to that model's targets, of those that take the API; else to the first
// provider that takes it and speaks the caller's dialect.
Result<void> RouteStage::route_passed(exchange::Exchange& exchange) const {
  PassedApi api = exchange.pass->api;
  auto takes = [&](std::string_view name) -> const ProviderSettings* {
    for (const ProviderSettings& provider : settings_.providers) {
      bool anthropic = provider.kind == ProviderKind::kAnthropic;
      if (provider.passthrough.has(api) && anthropic == (exchange.dialect == exchange::Dialect::kAnthropic) &&
          (name.empty() || provider.name == name))
        return &provider;
    }
    return nullptr;
  };
  if (by_model(api) && !exchange.request.model.empty()) {
    TRY_VOID(route(exchange, exchange.request.model));
    std::erase_if(exchange.route.targets, [&](const exchange::Target& t) { return !takes(t.provider); });
    if (!exchange.route.targets.empty()) return {};
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("The model '{}' has no {} API here.", exchange.request.model, weir::name(api)),
                "model", "unsupported_operation");
  }
  if (by_model(api) && exchange.principal.limited())
    return fail(ErrorCode::kInvalidRequest, "This key may use some models only: name one of them.", "model",
                "missing_required_parameter");
  const ProviderSettings* owner = takes({});
  if (!owner) return fail(ErrorCode::kNotFound, "There is no such path on this gateway.", {}, "unknown_path");
  exchange.route.targets = {{owner->name, {}, owner->timeouts}};
  return {};
}

// A Responses request may leave the model to what its provider keeps (a prompt, a conversation): then it goes
// to the provider that is spoken to in this dialect.
Result<void> RouteStage::route_without_model(exchange::Exchange& exchange) const {
  bool may = exchange.dialect == exchange::Dialect::kResponses && !exchange.principal.limited() &&
             exchange.principal.may_call(PassedApi::kResponses);
  for (const ProviderSettings& provider : settings_.providers) {
    if (!may || !provider.passthrough.has(PassedApi::kResponses)) continue;
    exchange.route.targets = {{provider.name, {}, provider.timeouts}};
    return {};
  }
  return fail(ErrorCode::kInvalidRequest, "'model' is missing", "model", "missing_required_parameter");
}

io::Task<Result<exchange::Stage::Flow>> RouteStage::before(exchange::Exchange& exchange) {
  if (exchange.pass) {
    CO_TRY_VOID(refuse_other_models(exchange));
    CO_TRY_VOID(route_passed(exchange));
    exchange.timeline.routed = exchange.loop.now();
    co_return Flow::kOn;
  }
  if (exchange.dialect == exchange::Dialect::kResponses && exchange.request.model.empty()) {
    CO_TRY_VOID(route_without_model(exchange));
    exchange.timeline.routed = exchange.loop.now();
    co_return Flow::kOn;
  }
  CO_TRY_VOID(refuse_other_models(exchange));
  Result<void> found = route(exchange, exchange.request.model);
  // Ollama's clients call the model "m" by its default tag too: "m:latest".
  std::string_view asked = exchange.request.model;
  if (!found && exchange.dialect == exchange::Dialect::kOllama && asked.ends_with(":latest"))
    if (route(exchange, asked.substr(0, asked.rfind(':')))) found = {};
  CO_TRY_VOID(std::move(found));
  exchange.timeline.routed = exchange.loop.now();
  co_return Flow::kOn;
}

}  // namespace weir::pipeline
