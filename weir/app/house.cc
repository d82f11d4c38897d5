#include "weir/app/house.h"

namespace weir::app {

House::House(const CoreParts& core, std::shared_ptr<const Settings> settings,
             const LocalModelTable& local_models, int cores)
    : settings_(std::move(settings)),
      metrics_text_(core.metrics_text),
      auth_(settings_->auth),
      dispatcher_(make_providers(*settings_, core.loop, core.parser, local_models, cores)),
      pipeline_(pipeline::make_stages(*settings_, core.record_sink, cores), dispatcher_) {}

}  // namespace weir::app
