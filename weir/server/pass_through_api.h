// Requests that weir does not interpret (server/passed_path.h says which): authenticated, admitted, routed,
// recorded and cancelled like any other, but both bodies pass in pieces, as they are.
#pragma once

#include <memory>

#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/server/passed_path.h"
#include "weir/server/services.h"

namespace weir::server {

class PassThroughApi {
 public:
  /// `admission` outlives it.
  PassThroughApi(io::Loop& loop, Admission& admission) : loop_(loop), admission_(admission) {}

  /// Does any provider of this configuration take the API? If not, the path does not exist.
  static bool offered(const Settings& settings, const PassedPath& found, bool anthropic);

  /// A GET, POST or DELETE of an offered API.
  io::Task<void> call(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response, PassedApi api, bool anthropic);

 private:
  io::Loop& loop_;
  Admission& admission_;
  json::Parser parser_;
};

}  // namespace weir::server
