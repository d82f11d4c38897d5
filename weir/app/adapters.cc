#include "weir/app/adapters.h"

#include <algorithm>

#include "weir/base/service.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/sqlite/sqlite_response_store.h"
#include "weir/upstream/provider/remote_provider.h"

namespace weir::app {
namespace {

exchange::Dialect dialect_of(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kAnthropic:
      return exchange::Dialect::kAnthropic;
    case ProviderKind::kOllama:
      return exchange::Dialect::kOllama;
    case ProviderKind::kGemini:
      return exchange::Dialect::kGemini;
    default:
      return exchange::Dialect::kOpenAi;
  }
}

std::string_view key_header_of(ProviderKind kind) {
  if (kind == ProviderKind::kAnthropic) return "X-Api-Key";
  if (kind == ProviderKind::kGemini) return "X-Goog-Api-Key";
  return {};  // a bearer token
}

}  // namespace

std::vector<std::unique_ptr<upstream::Provider>> make_providers(const Settings& settings, io::Loop& loop,
                                                                json::Parser& parser,
                                                                const LocalModelTable& local_models,
                                                                int cores) {
  std::vector<std::unique_ptr<upstream::Provider>> providers;
  for (const ProviderSettings& p : settings.providers) {
    if (p.kind == ProviderKind::kLocal) {
      auto models = local_models.find(p.name);
      if (models != local_models.end())
        providers.push_back(std::make_unique<upstream::LocalProvider>(p.name, loop, parser, models->second));
      continue;
    }
    upstream::EndpointOptions options;
    options.url = p.base_url;
    options.api_key = p.api_key;
    const Service* of = service(p.service);
    options.key_header = of ? of->key_header : key_header_of(p.kind);
    options.api_version = p.api_version;
    options.headers = p.headers;
    options.connections_max = share_of(p.connections_max, cores);
    options.queue_max = p.queue_max > 0 ? share_of(p.queue_max, cores) : 0;
    if (!p.ca_file.empty())  // checked when the configuration was loaded
      if (auto pem = loop.disk().read_file(p.ca_file, 1 << 20)) options.ca_pem = *pem;
    providers.push_back(std::make_unique<upstream::RemoteProvider>(p.name, wire::wire_of(dialect_of(p.kind)),
                                                                   loop, parser, std::move(options),
                                                                   p.passthrough.has(PassedApi::kResponses)));
  }
  return providers;
}

Result<std::unique_ptr<store::EventStore>> make_event_store(const std::string& directory,
                                                            const std::string& replica, io::Disk& disk) {
  return store::sqlite::SqliteEventStore::open(
      {.path = directory + "/events.db", .vfs = disk.sqlite_vfs(), .replica = replica});
}

Result<std::shared_ptr<store::ResponseStore>> make_response_store(const std::string& directory,
                                                                  io::Disk& disk) {
  TRY(auto store, store::sqlite::SqliteResponseStore::open(
                      {.path = directory + "/responses.db", .vfs = disk.sqlite_vfs()}));
  return std::shared_ptr<store::ResponseStore>(std::move(store));
}

}  // namespace weir::app
