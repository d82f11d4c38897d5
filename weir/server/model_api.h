// Model calls as callers make them, in any dialect: bytes -> Exchange -> bytes. Errors before the first byte
// are JSON answers with their status; errors inside a stream are the dialect's error event and a clean end,
// never an invented last event.
#pragma once

#include <memory>
#include <string_view>

#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/server/services.h"
#include "weir/wire/wire.h"

namespace weir::server {

class ModelApi {
 public:
  /// `admission` outlives it.
  ModelApi(io::Loop& loop, Admission& admission) : loop_(loop), admission_(admission) {}

  /// A POST that `wire` reads and answers.
  io::Task<void> call(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response, const wire::Wire& wire, exchange::Operation operation);

 private:
  io::Loop& loop_;
  Admission& admission_;
  json::Parser parser_;
};

}  // namespace weir::server
