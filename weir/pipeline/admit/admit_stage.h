// Limits what one client has under way on this core: a key, or an address that sends none. Stands behind
// authentication (a client is not who it says it is before) and in front of the body. The limits of the core
// as a whole are kept before the pipeline (server/admission.h).
#pragma once

#include <string>

#include "weir/base/name_counts.h"
#include "weir/exchange/stage.h"

namespace weir::pipeline {

class AdmitStage final : public exchange::Stage {
 public:
  /// `requests_per_client` is this core's share; more than 0.
  explicit AdmitStage(size_t requests_per_client) : requests_per_client_(requests_per_client) {}
  std::string_view name() const override { return "admit"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;
  void after(exchange::Exchange& exchange) override;

 private:
  const size_t requests_per_client_;
  NameCounts under_way_;
};

}  // namespace weir::pipeline
