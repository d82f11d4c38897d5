#include "weir/app/adapters.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/service.h"
#include "weir/store/postgres/migrations.h"
#include "weir/store/postgres/postgres_account_store.h"
#include "weir/store/postgres/postgres_lease_store.h"
#include "weir/store/postgres/postgres_ledger.h"
#include "weir/store/redis/redis_lease_store.h"
#include "weir/store/sqlite/sqlite_account_store.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/sqlite/sqlite_ledger.h"
#include "weir/store/sqlite/sqlite_ledger_source.h"
#include "weir/store/sqlite/sqlite_response_store.h"
#include "weir/store/sqlite/sqlite_traffic_store.h"
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
    options.traced = !loop.processes().environment("OTEL_EXPORTER_OTLP_ENDPOINT").empty();
    options.counts_tokens = p.kind == ProviderKind::kGemini || (of && of->counts_tokens);
    options.connections_max = share_of(p.connections_max, cores);
    options.queue_max = p.queue_max > 0 ? share_of(p.queue_max, cores) : 0;
    // A check waits no longer than a request would: it may hold the only connection that there is.
    options.check.queue = std::min<Duration>(options.check.queue, p.timeouts.queue);
    options.check.connect = std::min<Duration>(options.check.connect, p.timeouts.connect);
    options.check.headers = std::min<Duration>(options.check.headers, p.timeouts.headers);
    if (!p.ca_file.empty())  // checked when the configuration was loaded
      if (auto pem = loop.disk().read_file(p.ca_file, 1 << 20)) options.ca_pem = *pem;
    upstream::AlsoSpoken also{p.passthrough.has(PassedApi::kResponses), p.messages_api};
    providers.push_back(std::make_unique<upstream::RemoteProvider>(p.name, wire::wire_of(dialect_of(p.kind)),
                                                                   loop, parser, std::move(options), also));
  }
  return providers;
}

Result<SharedDatabase> open_shared_database(const SharedSettings& settings,
                                            const std::function<void(std::string_view)>& say) {
  if (settings.postgres.empty()) return nullptr;
  std::string schema = settings.schema.empty() ? "weir" : settings.schema;
  TRY(SharedDatabase db,
      store::postgres::Database::create({.connection = settings.postgres, .schema = schema}));
  TRY(store::postgres::Migrated done, store::postgres::migrate(*db));
  if (done.applied > 0)
    say(fmt::format("the schema \"{}\" in PostgreSQL came to step {}", schema, done.schema));
  if (done.later)
    say(fmt::format(
        "the schema \"{}\" in PostgreSQL is of a later weir (step {}), which allows this one beside it",
        schema, done.schema));
  return db;
}

Result<std::unique_ptr<store::EventStore>> make_event_store(
    const std::string& directory, const std::string& replica, io::Disk& disk,
    std::shared_ptr<const std::atomic<int64_t>> kept_from) {
  return store::sqlite::SqliteEventStore::open({.path = directory + "/events.db",
                                                .vfs = disk.sqlite_vfs(),
                                                .replica = replica,
                                                .kept_from = std::move(kept_from)});
}

Result<std::unique_ptr<store::LeaseStore>> make_lease_store(const SharedSettings& shared,
                                                            const std::string& replica, io::Loop& loop) {
  if (shared.redis.empty() && shared.postgres.empty()) return nullptr;
  if (shared.redis.empty()) {
    // A database of its own: who waits for a lease does not wait as long as who asks for a report.
    TRY(auto db, store::postgres::Database::create({.connection = shared.postgres,
                                                    .schema = shared.schema.empty() ? "weir" : shared.schema,
                                                    .connect = milliseconds(500),
                                                    .statement = milliseconds(500)}));
    return std::make_unique<store::postgres::PostgresLeaseStore>(loop, std::move(db), replica);
  }
  auto url = store::redis::RedisUrl::parse(shared.redis.reveal());
  if (!url) return fail(ErrorCode::kConfig, "shared.redis: " + url.error().message);
  return std::make_unique<store::redis::RedisLeaseStore>(
      loop, *std::move(url), store::redis::RedisLeaseStore::Options{.replica = replica});
}

Result<std::shared_ptr<store::AccountStore>> make_account_store(const SharedDatabase& shared,
                                                                const std::string& directory,
                                                                io::Disk& disk) {
  if (shared) return std::make_shared<store::postgres::PostgresAccountStore>(shared);
  TRY(auto store, store::sqlite::SqliteAccountStore::open(
                      {.path = directory + "/accounts.db", .vfs = disk.sqlite_vfs()}));
  return std::shared_ptr<store::AccountStore>(std::move(store));
}

std::shared_ptr<store::SharedLedger> make_shared_ledger(const SharedDatabase& shared) {
  return std::make_shared<store::postgres::PostgresLedger>(shared);
}

Result<std::unique_ptr<store::LedgerSource>> make_ledger_source(const std::string& directory,
                                                                io::Disk& disk) {
  return store::sqlite::SqliteLedgerSource::open(
      {.path = directory + "/events.db", .vfs = disk.sqlite_vfs()});
}

Result<std::shared_ptr<store::TrafficStore>> make_traffic_store(const std::string& directory,
                                                                io::Disk& disk) {
  TRY(auto store, store::sqlite::SqliteTrafficStore::open({.path = directory + "/traffic.db",
                                                           .events_path = directory + "/events.db",
                                                           .vfs = disk.sqlite_vfs()}));
  return std::shared_ptr<store::TrafficStore>(std::move(store));
}

std::shared_ptr<store::Ledger> make_ledger(const std::string& directory, io::Disk& disk) {
  return std::make_shared<store::sqlite::SqliteLedger>(
      store::sqlite::SqliteLedger::Options{.path = directory + "/events.db", .vfs = disk.sqlite_vfs()});
}

accounts::MeterOf meter_of(quota::MeterTable& meters) {
  return [&meters](std::string_view scope, const std::string& id, const Limits& limits,
                   std::string_view tenant) { return meters.meter_of(scope, id, limits, tenant); };
}

Result<std::shared_ptr<store::ResponseStore>> make_response_store(const std::string& directory,
                                                                  io::Disk& disk) {
  TRY(auto store, store::sqlite::SqliteResponseStore::open(
                      {.path = directory + "/responses.db", .vfs = disk.sqlite_vfs()}));
  return std::shared_ptr<store::ResponseStore>(std::move(store));
}

}  // namespace weir::app
