// Before the body is read: the rate of requests of a key, its user, team and tenant (quota/meter.h), and what
// one client has under way on this core: a key, or an address that sends none. Stands behind authentication
// (a client is not who it says it is before). The limits of the core as a whole are kept before the pipeline
// (server/admission.h).
#pragma once

#include <string>

#include "weir/base/name_counts.h"
#include "weir/exchange/stage.h"
#include "weir/quota/renewals.h"

namespace weir::pipeline {

class AdmitStage final : public exchange::Stage {
 public:
  /// `requests_per_client` is this core's share; 0: no limit.
  explicit AdmitStage(size_t requests_per_client, quota::Renewals* renewals = nullptr)
      : requests_per_client_(requests_per_client), renewals_(renewals) {}
  std::string_view name() const override { return "admit"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;
  void after(exchange::Exchange& exchange) override;

 private:
  const size_t requests_per_client_;
  quota::Renewals* const renewals_;  // nullptr: limits are this process's own
  NameCounts under_way_;
};

}  // namespace weir::pipeline
