// House: one configuration's version of everything a request passes on one core: pipeline, dispatcher,
// providers. Immutable once built; requests hold it until they end, so a reload swaps it under new requests
// only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/accounts/authenticator.h"
#include "weir/app/adapters.h"
#include "weir/base/json.h"
#include "weir/pipeline/keep/keeping_client.h"
#include "weir/pipeline/pipeline.h"
#include "weir/pipeline/record/record_sink.h"
#include "weir/server/services.h"
#include "weir/upstream/dispatcher.h"

namespace weir::app {

/// What the versions of the house on one core share and what outlives them all.
struct CoreParts {
  io::Loop& loop;
  json::Parser& parser;  // for answers of model servers
  pipeline::RecordSink& record_sink;
  const MetricsText& metrics_text;
  const Warnings& warnings;
  const accounts::Authenticator& authenticator;
  std::shared_ptr<store::ResponseStore> responses;  // of all cores; nullptr: nothing is kept
  upstream::FailureCounters& failure_counters;
  upstream::ThoughtPins& thought_pins;  // of all cores
  accounts::TokenVerifier& tokens;
  quota::Renewals* renewals = nullptr;  // nullptr: limits are this process's own
};

class House final : public server::Services {
 public:
  House(const CoreParts& core, std::shared_ptr<const Settings> settings, const LocalModelTable& local_models,
        int cores);

  const Settings& settings() const override { return *settings_; }
  exchange::Handler& pipeline() override { return pipeline_; }
  const registry::Registry& registry() const override { return registry_; }
  store::ResponseStore* responses() const override { return responses_.get(); }
  Result<exchange::Principal> authenticate(HeaderList headers, bool peer_local) const override {
    return authenticator_.authenticate(headers, peer_local);
  }
  io::Task<std::vector<wire::ListedModel>> found_models(io::Cancel& cancel) override {
    return dispatcher_.found_models(cancel);
  }
  std::vector<std::string> not_ready() const override;
  std::vector<std::string> warnings() const override;
  std::string metrics_text() const override { return metrics_text_(); }

  std::vector<upstream::Health::TargetState> target_states() const { return dispatcher_.target_states(); }

  /// Model servers are checked from now on, in `tasks`, until retire(). `self`: this.
  void start_checks(io::TaskGroup& tasks, const std::shared_ptr<House>& self) {
    dispatcher_.start_checks(tasks, self);
  }
  /// Checks end, idle connections to model servers are closed now, the others when their calls end.
  void retire() { dispatcher_.retire(); }

 private:
  std::shared_ptr<const Settings> settings_;
  const MetricsText& metrics_text_;
  const Warnings& warnings_;
  const pipeline::RecordSink& record_sink_;
  const registry::Registry registry_;
  const accounts::TokenVerifier& tokens_;
  const accounts::Authenticator& authenticator_;
  const std::shared_ptr<store::ResponseStore> responses_;
  upstream::Dispatcher dispatcher_;
  pipeline::KeepingClient keeping_;
  pipeline::Pipeline pipeline_;
};

}  // namespace weir::app
