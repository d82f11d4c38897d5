#include "weir/server/passed_source.h"

#include <algorithm>

#include "weir/base/json_write.h"
#include "weir/server/body_source.h"
#include "weir/server/caller.h"
#include "weir/wire/parameters.h"

namespace weir::server {
namespace {

std::string_view type_of(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t'))
    type.remove_suffix(1);
  return type;
}

}  // namespace

io::Task<Result<void>> PassedSource::receive(exchange::Exchange& exchange) {
  CO_TRY(exchange.tags, caller_tags(exchange.headers));
  exchange_ = &exchange;
  HeaderList headers = request_.head.headers;
  CO_TRY_VOID(refuse_steering(headers));
  std::string_view content_type;
  for (const Header& h : headers) {
    bool twice = iequals(h.name, "content-type") && !content_type.empty();
    bool coded = iequals(h.name, "content-encoding") && !iequals(h.value, "identity");
    if (coded || twice)
      co_return fail(ErrorCode::kUnsupportedMedia, "This API takes a body as it is, with one content type.",
                     {}, "unsupported_content_encoding");
    if (iequals(h.name, "content-type")) content_type = h.value;
  }
  if (!by_model(api_) || pieces_.length() == 0) co_return Result<void>{};
  if (iequals(type_of(content_type), "multipart/form-data"))
    co_return co_await receive_multipart(exchange, content_type);
  co_return co_await receive_json(exchange);
}

io::Task<Result<void>> PassedSource::receive_json(exchange::Exchange& exchange) {
  CO_TRY_VOID(refuse_other_than_json(request_.head.headers));
  exchange::ModelRequest& request = exchange.request;
  CO_TRY(request.body, co_await request_.read_body(held_max_));
  json_ = true;
  request.body_bytes = request.body.size();
  CO_TRY_VOID(wire::read_object_without_model({}, parser_, request));
  if (request.model.empty()) co_return Result<void>{};
  const json::Value* model = request.document.find("model");
  value_begin_ = static_cast<size_t>(model->raw.data() - request.document.bytes.data());
  value_end_ = value_begin_ + model->raw.size();
  co_return Result<void>{};
}

io::Task<Result<void>> PassedSource::receive_multipart(exchange::Exchange& exchange,
                                                       std::string_view content_type) {
  CO_TRY(multipart_, MultipartModel::of(content_type));
  for (;;) {
    CO_TRY(std::string_view piece, co_await pieces_.next());
    if (piece.empty()) {
      CO_TRY_VOID(multipart_->finish());
      break;
    }
    held_ += piece;
    exchange.request.body_bytes = held_.size();
    CO_TRY_VOID(multipart_->feed(piece));
    if (multipart_->model()) break;
    if (held_.size() > held_max_)
      co_return fail(ErrorCode::kPayloadTooLarge,
                     "No part 'model' came in the first " + std::to_string(held_max_) +
                         " bytes: send it in front of the file.",
                     "model");
  }
  if (!multipart_->model()) co_return Result<void>{};
  const std::string& name = *multipart_->model();
  CO_TRY_VOID(wire::check_model_name(name));
  exchange.request.model = name;
  value_begin_ = static_cast<size_t>(multipart_->model_begin());
  value_end_ = value_begin_ + name.size();
  co_return Result<void>{};
}

bool PassedSource::begin(std::string_view model) {
  if (streaming_) return false;
  std::string_view held = json_ ? exchange_->request.body.view() : std::string_view(held_);
  out_.clear();
  next_out_ = 0;
  if (value_end_ > value_begin_ && model != exchange_->request.model) {
    new_value_.clear();
    if (json_)
      json::append_quoted(new_value_, model);
    else
      new_value_ = model;
    out_ = {held.substr(0, value_begin_), new_value_, held.substr(value_end_)};
  } else {
    out_ = {held};
  }
  std::erase_if(out_, [](std::string_view piece) { return piece.empty(); });
  return true;
}

std::optional<uint64_t> PassedSource::length() const {
  uint64_t bytes = 0;
  for (std::string_view piece : out_)
    bytes += piece.size();
  if (json_) return bytes;
  std::optional<uint64_t> all = pieces_.length();
  if (all) *all += bytes - held_.size();
  return all;
}

io::Task<Result<std::string_view>> PassedSource::next() {
  if (next_out_ < out_.size()) co_return out_[next_out_++];
  if (json_) co_return std::string_view();
  streaming_ = true;
  CO_TRY(std::string_view piece, co_await pieces_.next());
  exchange_->request.body_bytes = static_cast<size_t>(pieces_.taken());
  if (multipart_) CO_TRY_VOID(piece.empty() ? multipart_->finish() : multipart_->feed(piece));
  co_return piece;
}

}  // namespace weir::server
