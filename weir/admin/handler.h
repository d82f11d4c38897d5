// Handler: the control plane's HTTP face on one core. Every request passes the same gates in this order:
// authenticated (before it learns which paths there are; who comes with too many wrong keys is told to wait),
// the path is a row, the method is one of its rows, the row's permission, its tenant rule; only then its
// handler runs. What is refused to somebody known is told to Audit. Used on its loop only.
#pragma once

#include <memory>
#include <string>

#include "weir/admin/call.h"
#include "weir/admin/world.h"
#include "weir/http/server.h"

namespace weir::admin {

class Handler final : public http::Handler {
 public:
  explicit Handler(io::Loop& loop) : loop_(loop) {}

  /// Of requests from now on. Set before the first request.
  void set_world(std::shared_ptr<const World> world) { world_ = std::move(world); }

  io::Task<void> serve(http::Request& request, http::ResponseWriter& response) override;
  std::string error_body(const Error& error) override;

 private:
  io::Task<Result<Answer>> answer(Call& call);
  io::Task<void> note_refused(Call& call, const Error& error);

  io::Loop& loop_;
  std::shared_ptr<const World> world_;
};

}  // namespace weir::admin
