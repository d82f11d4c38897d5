// The OpenAI API as callers see it: bytes -> Exchange -> bytes. Errors before the first byte are JSON answers
// with their status; errors inside a stream are an error event and a clean end, never an invented [DONE].
#pragma once

#include <memory>
#include <string_view>

#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/server/services.h"

namespace weir::server {

class OpenAiApi {
 public:
  /// `admission` outlives it.
  OpenAiApi(io::Loop& loop, Admission& admission) : loop_(loop), admission_(admission) {}

  /// POST /v1/chat/completions, /v1/completions, /v1/embeddings.
  io::Task<void> call(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response, exchange::Operation operation);
  /// GET /v1/models, and with an id (percent escapes and all) GET /v1/models/{id}.
  io::Task<void> models(std::shared_ptr<Services> services, http::Request& request,
                        http::ResponseWriter& response, std::string_view id_in_path);

 private:
  io::Task<void> refuse(http::Request& request, http::ResponseWriter& response);

  io::Loop& loop_;
  Admission& admission_;
  json::Parser parser_;
};

}  // namespace weir::server
