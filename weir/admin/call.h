// Call: one request to the control plane as its handler sees it: who asks (authenticated, permitted), what
// the path and the query say, the body; and what every handler answers with. Lives in the dispatcher's frame
// while the handler runs. Used on its loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/accounts/permission.h"
#include "weir/admin/route.h"
#include "weir/admin/world.h"
#include "weir/base/header.h"
#include "weir/base/json.h"
#include "weir/base/json_write.h"
#include "weir/exchange/principal.h"
#include "weir/http/server.h"

namespace weir::admin {

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  OwnedHeaders headers = {};
  bool sent = false;  // the handler has written to Call::response itself (a stream)
};

/// A part of a list: at most `limit` entries behind the one called `after`. The answer's shape is
/// {"data": [...], "next": "the last entry's name" | null}; `next` given as ?after= goes on there.
struct Page {
  size_t limit = 100;
  std::string after;
};

class Call {
 public:
  Call(io::Loop& in, const World& of, http::Request& asked, http::ResponseWriter& answer)
      : loop(in), world(of), request(asked), response(answer) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  io::Loop& loop;
  const World& world;
  http::Request& request;
  http::ResponseWriter& response;
  std::string id;  // of the request: x-request-id, and in the audit log
  const Row* row = nullptr;
  exchange::Principal caller;
  std::string_view object;  // what {id} stands for
  std::string_view rest;    // what * stands for

  bool permits(accounts::Permission permission) const {
    return accounts::permits(caller.permissions(), permission);
  }
  /// May the caller see what belongs to this tenant? What it may not see is answered as if it were not there.
  bool sees(std::string_view tenant) const {
    return permits(accounts::Permission::kAllTenants) || tenant == caller.tenant();
  }
  /// Errors: kNotFound where no accounts are kept.
  Result<accounts::Accounts*> accounts() const;
  /// The tenant whose data the answer holds: ?tenant=, or the caller's own; nullopt: every tenant's (the
  /// caller may see them all and named none).
  std::optional<std::string> tenant() const;

  /// A parameter of the query, percent-decoded; nullopt: it is not there.
  std::optional<std::string> query(std::string_view name) const;
  /// A whole number of the query. Errors: kInvalidRequest.
  Result<int64_t> query_integer(std::string_view name, int64_t otherwise, int64_t min, int64_t max) const;
  /// ?limit= (1 to 1000) and ?after=. Errors: kInvalidRequest.
  Result<Page> page() const;

  /// The body, a JSON object of at most 256 KiB; valid as long as the call. Call once. Errors: as
  /// http::Request::read_body, and kInvalidRequest where it is none.
  io::Task<Result<json::Document>> read_body();

 private:
  json::PaddedBuffer body_;
  json::Parser parser_;
};

/// 404 in the words of every handler: `what` is "key", "tenant" ...
Unexpected not_found(std::string_view what, std::string_view id);

}  // namespace weir::admin
