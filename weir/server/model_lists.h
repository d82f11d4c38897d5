// The lists of models that callers may ask for, as OpenAI's, Anthropic's and Ollama's clients read them: what
// the configuration names and, where it names patterns, what those providers list themselves; of it what the
// caller's key may use.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/http/server.h"
#include "weir/io/loop.h"
#include "weir/server/services.h"

namespace weir::server {

class ModelLists {
 public:
  explicit ModelLists(io::Loop& loop) : loop_(loop) {}

  /// GET /v1/models, and with an id (percent escapes and all) GET /v1/models/{id}.
  io::Task<void> models(std::shared_ptr<Services> services, http::Request& request,
                        http::ResponseWriter& response, std::string_view id_in_path);
  /// GET /api/tags and, with `loaded`, /api/ps.
  io::Task<void> tags(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response, bool loaded);
  /// POST /api/show: {"model":"..."}
  io::Task<void> show(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response);
  /// GET /api/version.
  io::Task<void> version(http::ResponseWriter& response);

 private:
  io::Loop& loop_;
  json::Parser parser_;
};

}  // namespace weir::server
