#include "weir/app/house.h"

namespace weir::app {

House::House(const CoreParts& core, std::shared_ptr<const Settings> settings,
             const LocalModelTable& local_models, int cores)
    : settings_(std::move(settings)),
      metrics_text_(core.metrics_text),
      warnings_(core.warnings),
      record_sink_(core.record_sink),
      registry_(*settings_),
      tokens_(core.tokens),
      authenticator_(core.authenticator),
      responses_(settings_->responses.store ? core.responses : nullptr),
      dispatcher_(core.loop, make_providers(*settings_, core.loop, core.parser, local_models, cores),
                  *settings_, core.failure_counters, core.thought_pins),
      keeping_(dispatcher_, responses_, *settings_, core.parser),
      pipeline_(pipeline::make_stages(*settings_, core.authenticator, core.record_sink, cores, core.renewals),
                keeping_) {}

std::vector<std::string> House::not_ready() const {
  std::vector<std::string> reasons = dispatcher_.not_ready();
  for (std::string& reason : record_sink_.not_ready())
    reasons.push_back(std::move(reason));
  return reasons;
}

std::vector<std::string> House::warnings() const {
  std::vector<std::string> sentences = warnings_();
  for (std::string& sentence : record_sink_.warnings())
    sentences.push_back(std::move(sentence));
  for (std::string& sentence : dispatcher_.warnings())
    sentences.push_back(std::move(sentence));
  for (std::string& sentence : tokens_.warnings())
    sentences.push_back(std::move(sentence));
  return sentences;
}

}  // namespace weir::app
