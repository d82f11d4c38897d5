// Which class stands behind which word of the configuration. The only place that names providers and
// stores.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/store/event_store.h"
#include "weir/store/response_store.h"
#include "weir/upstream/provider/local/local_provider.h"
#include "weir/upstream/provider/provider.h"

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

/// The store of events of an installation: DIRECTORY/events.db. Blocks. Errors: kIo.
Result<std::unique_ptr<store::EventStore>> make_event_store(const std::string& directory,
                                                            const std::string& replica, io::Disk& disk);

/// The answers that are kept: DIRECTORY/responses.db. Blocks. Errors: kIo.
Result<std::shared_ptr<store::ResponseStore>> make_response_store(const std::string& directory,
                                                                  io::Disk& disk);

}  // namespace weir::app
