#include "weir/pipeline/keep/keeping_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace weir::pipeline {
namespace {

using json::Type;
using json::Value;

constexpr uint64_t kExpireEvery = 100;  // answers

// Looks for the event that carries the whole answer.
class WholeAnswer final : public exchange::AnswerStream {
 public:
  explicit WholeAnswer(exchange::AnswerStream& below) : below_(below) {}
  void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override {
    below_.begin(status, content_type, headers);
  }
  void event(exchange::StreamEvent event) override {
    for (std::string_view kind :
         {"event: response.completed\ndata: ", "event: response.incomplete\ndata: "}) {
      size_t at = event.raw.find(kind);
      if (at == std::string_view::npos) continue;
      std::string_view data = event.raw.substr(at + kind.size());
      if (auto response = json::find_in(data.substr(0, data.find('\n')), "response")) body = response->raw;
    }
    below_.event(event);
  }
  void error_event(std::string_view raw) override { below_.error_event(raw); }
  io::Task<bool> flush() override { return below_.flush(); }
  std::string body;

 private:
  exchange::AnswerStream& below_;
};

// What stands between an array's brackets.
std::string_view inside(std::string_view array_raw) {
  std::string_view items = array_raw.substr(1, array_raw.size() - 2);
  return items.find_first_not_of(" \t\r\n") == std::string_view::npos ? std::string_view() : items;
}

// A request's input as the items of an array, without the brackets.
std::string items_of(const json::Document& document) {
  const Value* input = document.find("input");
  if (!input) return {};
  if (input->type == Type::kArray) return std::string(inside(input->raw));
  if (input->type != Type::kString) return {};
  return fmt::format(R"({{"type":"message","role":"user","content":[{{"type":"input_text","text":{}}}]}})",
                     input->raw);
}

void append_items(std::string& all, std::string_view more) {
  if (!all.empty() && !more.empty()) all += ',';
  all += more;
}

Unexpected not_stored() {
  Error e = internal_error(ErrorCode::kUnavailable, "the answer could not be stored");
  e.reason = "not_stored";
  e.safe = "The answer could not be stored; try again, or with 'store' false.";
  return Unexpected(std::move(e));
}

}  // namespace

bool KeepingClient::kept_by_provider(const exchange::Exchange& exchange) const {
  if (!exchange.principal.may_call(PassedApi::kResponses)) return false;
  return std::ranges::any_of(exchange.route.targets, [&](const exchange::Target& target) {
    return std::ranges::any_of(settings_.providers, [&](const ProviderSettings& p) {
      return p.name == target.provider && p.passthrough.has(PassedApi::kResponses);
    });
  });
}

io::Task<Result<void>> KeepingClient::call(exchange::Exchange& exchange, exchange::AnswerStream& stream) {
  bool ours = store_ && exchange.dialect == exchange::Dialect::kResponses && !exchange.pass &&
              !kept_by_provider(exchange);
  if (!ours) co_return co_await below_.call(exchange, stream);
  const json::Document& document = exchange.request.document;
  if (const Value* previous = document.find("previous_response_id");
      previous && previous->type == Type::kString)
    CO_TRY_VOID(co_await recall(exchange, previous->as_string().value_or("")));
  const Value* store = document.find("store");
  exchange.request.stored = !store || store->as_bool().value_or(true);  // as in OpenAI's API: unless refused
  if (!exchange.request.stored) co_return co_await below_.call(exchange, stream);

  std::string input = "[" + items_of(document) + "]";  // the request is let go once a stream began
  WholeAnswer answer(stream);
  CO_TRY_VOID(co_await below_.call(exchange, answer));
  if (exchange.outcome.error) co_return Result<void>{};  // the model server's refusal
  if (exchange.answer) answer.body = exchange.answer->body;
  if (answer.body.empty()) co_return Result<void>{};
  co_return co_await keep(exchange, std::move(input), std::move(answer.body));
}

// The request as it would have been with all earlier items in it.
io::Task<Result<void>> KeepingClient::recall(exchange::Exchange& exchange, const std::string& id) {
  std::string owner = exchange.client();
  auto found = co_await io::offload(exchange.loop, [&] { return store_->find(owner, id); });
  if (!found) co_return fail_internal(ErrorCode::kUnavailable, "stored answers: " + found.error().message);
  if (!*found)
    co_return fail(ErrorCode::kNotFound,
                   fmt::format("Previous response with id '{}' not found.", id.substr(0, 128)),
                   "previous_response_id", "previous_response_not_found");
  exchange::ModelRequest& request = exchange.request;
  const json::Document& document = request.document;
  std::string items(inside((*found)->input));
  if (auto output = json::find_in((*found)->body, "output"); output && output->type == Type::kArray)
    append_items(items, inside(output->raw));
  append_items(items, items_of(document));
  json::Edits edits(document.bytes);
  edits.remove_member(*document.member("previous_response_id"));
  if (const Value* input = document.find("input"))
    edits.replace(input->raw, "[" + items + "]");
  else
    edits.append_member(document.root.raw, "\"input\":[" + items + "]");
  json::PaddedBuffer body(edits.str());
  if (body.size() > static_cast<size_t>(settings_.server.limits.body_bytes))
    co_return fail(
        ErrorCode::kPayloadTooLarge,
        fmt::format("the conversation is larger than {} bytes", settings_.server.limits.body_bytes),
        "previous_response_id");
  request.previous_response_id = id;
  request.body = std::move(body);
  co_return request.parse(parser_);
}

io::Task<Result<void>> KeepingClient::keep(exchange::Exchange& exchange, std::string input,
                                           std::string body) {
  auto id = json::find_in(body, "id");
  std::string name = id ? id->as_string().value_or("") : "";
  if (name.empty()) co_return not_stored();
  WallTime now = exchange.loop.wall_now();
  bool expire = --until_expiry_ == 0;
  if (expire) until_expiry_ = kExpireEvery;
  store::KeptResponse kept{std::move(name), exchange.client(), now.unix_ns, std::move(input),
                           std::move(body)};
  const ResponsesSettings& limits = settings_.responses;
  Duration age = std::chrono::days(limits.keep_days);
  auto stored = co_await io::offload(exchange.loop, [&]() -> Result<void> {
    TRY_VOID(store_->put(kept));
    if (expire)
      if (auto gone =
              store_->expire(WallTime{now.unix_ns - age.count()}, static_cast<uint64_t>(limits.keep_bytes));
          !gone)
        return Unexpected(std::move(gone).error());
    return {};
  });
  if (stored) co_return Result<void>{};
  Unexpected failed = not_stored();
  failed.error().message += ": " + stored.error().message;
  co_return failed;
}

}  // namespace weir::pipeline
