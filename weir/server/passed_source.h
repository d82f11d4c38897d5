// PassedSource: the body of a request that is passed through, on its way. Where the API is routed by model,
// as much of it is read as it takes to know the model: all of a JSON body; of a multipart one what stands in
// front of the part `model` (a caller who sends a file first has it held, within server.limits.body_bytes).
// All the rest, and the body of every other API, is handed on as it arrives and never held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/settings.h"
#include "weir/exchange/exchange.h"
#include "weir/http/body_pieces.h"
#include "weir/server/multipart_model.h"

namespace weir::server {

class PassedSource final : public exchange::RequestSource, public exchange::PassedBody {
 public:
  PassedSource(http::Request& request, PassedApi api, json::Parser& parser, const ServerLimits& limits)
      : request_(request),
        api_(api),
        parser_(parser),
        held_max_(static_cast<size_t>(limits.body_bytes)),
        pieces_(request, static_cast<uint64_t>(limits.upload_bytes)) {}

  io::Task<Result<void>> receive(exchange::Exchange& exchange) override;

  bool begin(std::string_view model) override;
  std::optional<uint64_t> length() const override;
  io::Task<Result<std::string_view>> next() override;

 private:
  io::Task<Result<void>> receive_json(exchange::Exchange& exchange);
  io::Task<Result<void>> receive_multipart(exchange::Exchange& exchange, std::string_view content_type);

  http::Request& request_;
  const PassedApi api_;
  json::Parser& parser_;
  const size_t held_max_;
  http::BodyPieces pieces_;
  exchange::Exchange* exchange_ = nullptr;

  bool json_ = false;  // the body is exchange_->request.body
  std::string held_;   // of a multipart body: what was read of it
  std::optional<MultipartModel> multipart_;
  std::string new_value_;                   // what stands in the place of the model's name
  size_t value_begin_ = 0, value_end_ = 0;  // that place, in the held bytes
  std::vector<std::string_view> out_;       // the held bytes as they go out
  size_t next_out_ = 0;
  bool streaming_ = false;  // a piece behind the held ones went out
};

}  // namespace weir::server
