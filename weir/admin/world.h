// World: what the handlers of the control plane reach, in one configuration's version, on one core. A request
// takes the current one when it begins and keeps it to its end. Filled by app.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/accounts/accounts.h"
#include "weir/accounts/authenticator.h"
#include "weir/alerts/watch.h"
#include "weir/base/settings.h"
#include "weir/exchange/principal.h"
#include "weir/quota/meter_table.h"
#include "weir/registry/registry.h"
#include "weir/store/ledger.h"
#include "weir/store/traffic_store.h"
#include "weir/telemetry/metrics.h"

namespace weir::admin {

class LiveFeed;
class SignInLimit;

struct World {
  std::shared_ptr<const Settings> settings;
  const accounts::Authenticator* authenticator = nullptr;  // this core's
  accounts::Accounts* accounts = nullptr;                  // of all cores; nullptr: none are kept
  const quota::MeterTable* meters = nullptr;               // of the process
  std::shared_ptr<store::Ledger> ledger = nullptr;         // nothing is kept

  /// The configuration file as people may see it: secrets masked; nullptr: there is none to show.
  std::shared_ptr<const std::string> shown_config = nullptr;

  // What the console shows (overview.cc, requests.cc, live.cc).
  std::shared_ptr<store::TrafficStore> traffic = nullptr;        // nullptr: no records are kept
  std::shared_ptr<const registry::Registry> registry = nullptr;  // prices
  const telemetry::Registry* metrics = nullptr;                  // of the process
  LiveFeed* live = nullptr;                                      // of this core
  /// What is wrong although weir serves, one sentence each.
  std::function<std::vector<std::string>()> warnings = nullptr;
  struct TargetState {
    std::string provider, model;  // the provider's name of it
    bool resting = false;
    bool on_trial = false;
  };
  /// Of the targets that have a breaker, on this core.
  std::function<std::vector<TargetState>()> targets = nullptr;
  const alerts::Watch* alerts = nullptr;  // of the process
  SignInLimit* sign_ins = nullptr;        // of the process; nullptr: none
};

}  // namespace weir::admin
