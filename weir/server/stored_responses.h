// Answers that weir keeps (docs/responses.md): GET, DELETE, their input items, and the cancelling that only
// background answers know. Another key's answers do not exist.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "weir/http/server.h"
#include "weir/server/services.h"

namespace weir::server {

class StoredResponses {
 public:
  explicit StoredResponses(io::Loop& loop) : loop_(loop) {}

  /// Is this the path of an answer with an id of ours?
  static bool is_path(std::string_view path);
  io::Task<void> serve(std::shared_ptr<Services> services, http::Request& request,
                       http::ResponseWriter& response);

 private:
  io::Task<Result<std::string>> answer(Services& services, http::Request& request);

  io::Loop& loop_;
};

}  // namespace weir::server
