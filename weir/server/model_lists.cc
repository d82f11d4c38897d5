#include "weir/server/model_lists.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

#include "weir/server/caller.h"
#include "weir/wire/ollama/ollama.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/parameters.h"

namespace weir::server {
namespace {

namespace ollama = wire::ollama;
namespace openai = wire::openai;

constexpr size_t kShowBytesMax = 64 << 10;

struct Listed {
  std::string name;
  std::string owner;  // the provider
  bool embeddings = false;
  std::string model = {};  // the provider's name of it
  std::optional<int64_t> created = {};
  std::string more = {};  // as openai::ModelEntry's
};

// What the configuration names, in its order, each name once.
std::vector<Listed> listed(const Settings& settings, const exchange::Principal& principal) {
  std::vector<Listed> models;
  auto add = [&](const std::string& name, const std::string& owner, bool embeddings,
                 const std::string& model) {
    if (principal.may_use(name) && std::ranges::find(models, name, &Listed::name) == models.end())
      models.push_back({name, owner, embeddings, model});
  };
  auto embeds = [&](const TargetSettings& target) {
    auto provider = std::ranges::find(settings.providers, target.provider, &ProviderSettings::name);
    return provider != settings.providers.end() &&
           std::ranges::find(provider->embeddings, target.model, &LocalEmbeddingsSettings::name) !=
               provider->embeddings.end();
  };
  for (const ModelSettings& model : settings.models) {
    const TargetSettings& first = model.targets.front();
    add(model.name, first.provider, embeds(first), first.model);
    for (const std::string& alias : model.aliases)
      add(alias, first.provider, embeds(first), first.model);
  }
  for (const ProviderSettings& provider : settings.providers) {
    for (const LocalChatSettings& chat : provider.chat)
      add(chat.name, provider.name, false, chat.name);
    for (const LocalEmbeddingsSettings& e : provider.embeddings)
      add(e.name, provider.name, true, e.name);
    for (const std::string& pattern : provider.models)
      if (!pattern.ends_with('*')) add(pattern, provider.name, false, pattern);
  }
  return models;
}

// And behind it what providers list themselves, where the configuration has patterns.
io::Task<std::vector<Listed>> all_listed(Services& services, const exchange::Principal& principal,
                                         io::Cancel& cancel) {
  std::vector<wire::ListedModel> found = co_await services.found_models(cancel);
  std::vector<Listed> models = listed(services.settings(), principal);
  std::unordered_set<std::string> names;
  for (const Listed& model : models)
    names.insert(model.name);
  for (wire::ListedModel& model : found)
    if (principal.may_use(model.name) && names.insert(model.name).second)
      models.push_back({model.name, model.provider, false, model.name, model.created, std::move(model.more)});
  co_return models;
}

// Who takes a name that only a pattern lists; nullptr: nobody, or the key may not use it.
const ProviderSettings* passed_to(const Settings& settings, const exchange::Principal& principal,
                                  std::string_view id) {
  if (!principal.may_use(id)) return nullptr;
  for (const ProviderSettings& provider : settings.providers)
    for (const std::string& pattern : provider.models)
      if (matches_pattern(pattern, id)) return &provider;
  return nullptr;
}

openai::ModelEntry entry_of(const registry::Registry& registry, const Listed& model) {
  openai::ModelEntry entry{
      .id = model.name, .owned_by = model.owner, .created = model.created, .more = model.more};
  if (const registry::ModelFacts* facts = registry.find(model.owner, model.model)) {
    entry.context_tokens = facts->context_tokens;
    entry.output_tokens = facts->output_tokens;
  }
  return entry;
}

ollama::ModelFacts facts_of(const Listed& model) {
  ollama::ModelFacts facts;
  facts.name = model.name;
  facts.capabilities = {model.embeddings ? "embedding" : "completion"};
  return facts;
}

io::Task<void> send_json(http::ResponseWriter& response, int status, std::string body) {
  std::array<Header, 1> headers{Header{"content-type", "application/json"}};
  co_await response.send(status, headers, body);
}

io::Task<void> send_ollama_error(http::ResponseWriter& response, Error error) {
  std::string body = ollama::ollama_wire().error_body(error);
  co_await send_json(response, http_status(error.code), std::move(body));
}

// The path's part with its percent escapes resolved (clients write "org/model" as "org%2Fmodel"); what is no
// escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

io::Task<void> ModelLists::models(std::shared_ptr<Services> services, http::Request& request,
                                  http::ResponseWriter& response, std::string_view id_in_path) {
  std::string id = percent_decoded(id_in_path);
  std::string request_id = new_request_id(loop_.random());
  auto send = [&](int status, const std::string& body) {
    std::array<Header, 4> headers{Header{"content-type", "application/json"},
                                  Header{"x-request-id", request_id}, Header{"x-weir-request-id", request_id},
                                  Header{"www-authenticate", "Bearer"}};
    return response.send(status, {headers.data(), status == 401 ? 4u : 3u}, body);
  };
  auto principal = services->authenticate(request.head.headers, is_peer_local(request));
  if (!principal) {
    std::string body = openai::error_body(principal.error());
    co_await send(http_status(principal.error().code), body);
    co_return;
  }
  std::vector<openai::ModelEntry> entries;
  for (const Listed& model : co_await all_listed(*services, *principal, request.cancel))
    entries.push_back(entry_of(services->registry(), model));
  std::string body;
  int status = 200;
  if (id.empty()) {
    body = openai::models_body(entries);
  } else if (auto at = std::ranges::find(entries, id, &openai::ModelEntry::id); at != entries.end()) {
    body = openai::model_body(*at);
  } else if (auto name = wire::check_model_name(id); !name) {
    status = http_status(name.error().code);
    body = openai::error_body(name.error());
  } else if (const ProviderSettings* taker = passed_to(services->settings(), *principal, id)) {
    body = openai::model_body(entry_of(services->registry(), {id, taker->name, false, id}));
  } else {
    status = 404;
    body = openai::error_body(make_error(ErrorCode::kNotFound,
                                         "The model '" + id + "' does not exist or this key may not use it.",
                                         "model", "model_not_found"));
  }
  co_await send(status, body);
}

io::Task<void> ModelLists::tags(std::shared_ptr<Services> services, http::Request& request,
                                http::ResponseWriter& response, bool loaded) {
  auto principal = services->authenticate(request.head.headers, is_peer_local(request));
  if (!principal) {
    co_await send_ollama_error(response, std::move(principal).error());
    co_return;
  }
  std::vector<ollama::ModelFacts> models;
  for (const Listed& model : co_await all_listed(*services, *principal, request.cancel))
    models.push_back(facts_of(model));
  co_await send_json(response, 200, loaded ? ollama::ps_body(models) : ollama::tags_body(models));
}

io::Task<void> ModelLists::show(std::shared_ptr<Services> services, http::Request& request,
                                http::ResponseWriter& response) {
  auto principal = services->authenticate(request.head.headers, is_peer_local(request));
  if (!principal) {
    co_await send_ollama_error(response, std::move(principal).error());
    co_return;
  }
  auto body = co_await request.read_body(kShowBytesMax);
  if (!body) {
    co_await send_ollama_error(response, std::move(body).error());
    co_return;
  }
  std::string name;
  if (auto document = parser_.parse(body->view()); document)
    for (std::string_view key : {"model", "name"})  // older clients say "name"
      if (const json::Value* v = document->find(key); v && name.empty()) name = v->as_string().value_or("");
  if (auto good = wire::check_model_name(name); !good) {
    co_await send_ollama_error(response, std::move(good).error());
    co_return;
  }
  std::vector<Listed> models = co_await all_listed(*services, *principal, request.cancel);
  auto found = std::ranges::find(models, name, &Listed::name);
  if (found == models.end()) found = std::ranges::find(models, ollama::other_spelling(name), &Listed::name);
  if (found == models.end())
    co_await send_ollama_error(response,
                               make_error(ErrorCode::kNotFound, "model '" + name + "' not found", "model"));
  else
    co_await send_json(response, 200, ollama::show_body(facts_of(*found)));
}

io::Task<void> ModelLists::version(http::ResponseWriter& response) {
  return send_json(response, 200, ollama::version_body());
}

}  // namespace weir::server
