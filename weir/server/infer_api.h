// POST /infer: weir's own plain question and answer. A prompt with what is asked of the answer goes in; the
// answer, who gave it and what it cost come out. A thin face: inside it is a chat request like any other, on
// the one path.
#pragma once

#include <memory>

#include "weir/http/server.h"
#include "weir/server/admission.h"
#include "weir/server/services.h"

namespace weir::server {

class InferApi {
 public:
  /// `admission` outlives it.
  InferApi(io::Loop& loop, Admission& admission) : loop_(loop), admission_(admission) {}
  io::Task<void> call(std::shared_ptr<Services> services, http::Request& request,
                      http::ResponseWriter& response);

 private:
  io::Loop& loop_;
  Admission& admission_;
  json::Parser parser_;
};

}  // namespace weir::server
