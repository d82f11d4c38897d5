// MeterTable: the meters of the process, by scope and id. They outlive configurations, so limits that change
// keep their counts. Whoever makes identities asks for the meters of each, with limits or without: what was
// spent before somebody sets a budget counts too. Thread-safe (a lock that no request takes).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/quota/meter.h"
#include "weir/telemetry/event.h"

namespace weir::quota {

class MeterTable {
 public:
  /// What a former run spent, at `at`: the ledger's sums, then the events that are in no ledger yet. Once,
  /// before the first meter.
  void begin_with(store::SpentByScope spent, const Moment& at);
  void add_waiting(const telemetry::Event& event);

  /// The scope's meter, made where there is none, with these limits from now on. `tenant`: whose it is.
  std::shared_ptr<Meter> meter_of(std::string_view scope, std::string_view id, const Limits& limits,
                                  std::string_view tenant = {});

  /// Every meter, those made later too, uses what its leases give (Meter::share). Before the first meter.
  void share();
  /// Those with a limit.
  std::vector<std::shared_ptr<Meter>> limited() const;

  /// Those with a budget, at most `most`.
  std::vector<std::shared_ptr<const Meter>> with_budgets(const Moment& now, size_t most) const;
  /// Those with a budget of which at least `percent` is spent, at most `most`.
  std::vector<std::shared_ptr<const Meter>> with_spent(const Moment& now, int percent, size_t most) const;

 private:
  mutable std::mutex mutex_;
  store::SpentByScope spent_;
  Moment began_;
  bool shared_ = false;
  std::unordered_map<std::string, std::shared_ptr<Meter>> meters_;  // "scope/id"
};

}  // namespace weir::quota
