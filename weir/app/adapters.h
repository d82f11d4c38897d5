// Which class stands behind which word of the configuration. The only place that names providers and
// stores.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/accounts/directory.h"
#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/quota/meter_table.h"
#include "weir/store/account_store.h"
#include "weir/store/event_store.h"
#include "weir/store/lease_store.h"
#include "weir/store/ledger.h"
#include "weir/store/response_store.h"
#include "weir/store/shared_ledger.h"
#include "weir/store/traffic_store.h"
#include "weir/upstream/provider/local/local_provider.h"
#include "weir/upstream/provider/provider.h"

namespace weir::store::postgres {
class Database;
}

namespace weir::app {

using MetricsText = std::function<std::string()>;
/// What is wrong with the whole gateway although it serves, one sentence each. Thread-safe.
using Warnings = std::function<std::vector<std::string>()>;

/// Local providers' children by provider name. Owned by loop 0; the models in it are read by every core.
using LocalModelTable =
    std::map<std::string, std::vector<std::shared_ptr<upstream::LocalModel>>, std::less<>>;

/// One core's providers. `cores` shares out the connection limits.
std::vector<std::unique_ptr<upstream::Provider>> make_providers(const Settings& settings, io::Loop& loop,
                                                                json::Parser& parser,
                                                                const LocalModelTable& local_models,
                                                                int cores);

/// What replicas share: their schema is as this weir needs it. nullptr: `shared.postgres` names none. `say`
/// hears what was done. Blocks. Errors: kConfig, kUnavailable, kIo.
using SharedDatabase = std::shared_ptr<store::postgres::Database>;
Result<SharedDatabase> open_shared_database(const SharedSettings& settings,
                                            const std::function<void(std::string_view)>& say);

/// Where replicas share limits: Redis, or PostgreSQL where there is none; nullptr: each counts for itself.
/// Errors: kConfig.
Result<std::unique_ptr<store::LeaseStore>> make_lease_store(const SharedSettings& shared,
                                                            const std::string& replica, io::Loop& loop);

/// The store of events of an installation: DIRECTORY/events.db. Blocks. Errors: kIo. `kept_from`: the first
/// segment that may not be removed yet; nullptr: all may.
Result<std::unique_ptr<store::EventStore>> make_event_store(
    const std::string& directory, const std::string& replica, io::Disk& disk,
    std::shared_ptr<const std::atomic<int64_t>> kept_from);

/// The accounts: the replicas' common ones, or without a `shared` database DIRECTORY/accounts.db. Blocks.
/// Errors: kIo.
Result<std::shared_ptr<store::AccountStore>> make_account_store(const SharedDatabase& shared,
                                                                const std::string& directory, io::Disk& disk);

/// What the console reads of the events, and its own DIRECTORY/traffic.db. Blocks. Errors: kIo.
Result<std::shared_ptr<store::TrafficStore>> make_traffic_store(const std::string& directory, io::Disk& disk);

/// The ledger in that file. Calls block.
std::shared_ptr<store::Ledger> make_ledger(const std::string& directory, io::Disk& disk);

/// The replicas' common ledger, and what of that file is not in it yet. Block. Errors: kIo.
std::shared_ptr<store::SharedLedger> make_shared_ledger(const SharedDatabase& shared);
Result<std::unique_ptr<store::LedgerSource>> make_ledger_source(const std::string& directory, io::Disk& disk);

/// How whoever makes identities gets their meters of this table.
accounts::MeterOf meter_of(quota::MeterTable& meters);

/// The answers that are kept: DIRECTORY/responses.db. Blocks. Errors: kIo.
Result<std::shared_ptr<store::ResponseStore>> make_response_store(const std::string& directory,
                                                                  io::Disk& disk);

}  // namespace weir::app
