// Services: what the server needs of the house behind it, in one configuration's version. A request takes the
// current one when it begins and keeps it to its end, so a reload changes nothing under a running request.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/settings.h"
#include "weir/exchange/handler.h"
#include "weir/registry/registry.h"
#include "weir/store/response_store.h"
#include "weir/wire/model_list.h"

namespace weir::server {

class Services {
 public:
  virtual ~Services() = default;
  virtual const Settings& settings() const = 0;
  virtual exchange::Handler& pipeline() = 0;
  virtual const registry::Registry& registry() const = 0;
  /// Answers that are kept; nullptr: none are.
  virtual store::ResponseStore* responses() const = 0;
  /// Who may ask for something that calls no model (GET /v1/models).
  virtual Result<exchange::Principal> authenticate(HeaderList headers, bool peer_local) const = 0;
  /// The models that providers list themselves, where the configuration names them by a pattern.
  virtual io::Task<std::vector<wire::ListedModel>> found_models(io::Cancel& cancel) = 0;
  /// What keeps this core from being ready, one sentence each; empty: ready.
  virtual std::vector<std::string> not_ready() const = 0;
  /// What is wrong although this core serves, one sentence each: told by /ready, which stays 200.
  virtual std::vector<std::string> warnings() const = 0;
  virtual std::string metrics_text() const = 0;
};

}  // namespace weir::server
