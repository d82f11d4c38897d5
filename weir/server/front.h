// Front: the data plane's HTTP face on one core: finds the API a request is for. Default deny: a path that is
// not listed in front.cc does not exist. The path decides alone; no header can make a request something else.
#pragma once

#include <functional>
#include <memory>

#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/server/infer_api.h"
#include "weir/server/model_api.h"
#include "weir/server/model_lists.h"
#include "weir/server/pass_through_api.h"
#include "weir/server/services.h"
#include "weir/server/stored_responses.h"

namespace weir::server {

class Front final : public http::Handler {
 public:
  enum class Scope : uint8_t { kAll, kWithoutMetrics, kMetricsOnly, kAdminOnly };  // paths of this listener

  /// `admission` outlives it.
  Front(io::Loop& loop, Scope scope, Admission& admission)
      : admission_(admission),
        calls_(loop, admission),
        passed_(loop, admission),
        infer_(loop, admission),
        lists_(loop),
        stored_(loop),
        scope_(scope) {}

  /// The services of requests from now on. Set before the first request.
  void set_services(std::shared_ptr<Services> services) { services_ = std::move(services); }
  void set_draining() { draining_ = true; }
  void set_scope(Scope scope) { scope_ = scope; }
  static bool is_admin_path(std::string_view path);
  /// Who answers /admin/... and /console/...; nullptr: this listener has no such paths. Outlives the front.
  void set_admin(http::Handler* admin) { admin_ = admin; }

  io::Task<void> serve(http::Request& request, http::ResponseWriter& response) override;
  std::string error_body(const Error& error) override { return error_body(error, {}); }
  std::string error_body(const Error& error, std::string_view path) override;
  void on_turned_away(bool of_client) override { admission_.count_turned_away(of_client); }

 private:
  /// A request of an API that is passed through; nullopt: it is none that this configuration offers.
  std::optional<io::Task<void>> pass(http::Request& request, http::ResponseWriter& response);
  io::Task<void> health(http::ResponseWriter& response);
  io::Task<void> ready(http::ResponseWriter& response);
  io::Task<void> metrics(http::ResponseWriter& response);

  Admission& admission_;
  ModelApi calls_;
  PassThroughApi passed_;
  InferApi infer_;
  ModelLists lists_;
  StoredResponses stored_;
  Scope scope_;
  http::Handler* admin_ = nullptr;
  std::shared_ptr<Services> services_;
  bool draining_ = false;
};

}  // namespace weir::server
