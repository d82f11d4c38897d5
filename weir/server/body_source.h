// BodySource: a request's body as the pipeline receives it: what its headers say of it is judged before a
// byte is read, a content coding is taken off while it arrives, then it is parsed and checked.
#pragma once

#include <string_view>

#include "weir/base/json.h"
#include "weir/exchange/exchange.h"
#include "weir/http/server.h"
#include "weir/wire/wire.h"

namespace weir::server {

/// Errors: kInvalidRequest, a content type that is not JSON's.
Result<void> refuse_other_than_json(HeaderList headers);
/// Errors: kInvalidRequest naming the header that would steer the gateway, or could not be passed on as it
/// is.
Result<void> refuse_steering(HeaderList headers);

class BodySource final : public exchange::RequestSource {
 public:
  BodySource(http::Request& request, const wire::Wire& wire, json::Parser& parser, size_t body_bytes_max)
      : request_(request), wire_(wire), parser_(parser), body_bytes_max_(body_bytes_max) {}

  /// Errors: kInvalidRequest naming the parameter or header at fault, kUnsupportedMedia (an unknown coding),
  /// kPayloadTooLarge (by the bytes that came or that they decode to), and those of Request::read_body.
  io::Task<Result<void>> receive(exchange::Exchange& exchange) override;

 private:
  http::Request& request_;
  const wire::Wire& wire_;
  json::Parser& parser_;
  size_t body_bytes_max_;
};

}  // namespace weir::server
