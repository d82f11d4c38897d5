#include "weir/upstream/provider/remote_provider.h"

#include <fmt/format.h>

#include "weir/http/read_whole.h"
#include "weir/upstream/model_call.h"
#include "weir/upstream/pass_through.h"

namespace weir::upstream {
namespace {

constexpr size_t kListBytesMax = 4 << 20;

}  // namespace

const wire::Wire& RemoteProvider::wire_for(const exchange::Exchange& exchange) const {
  // Of the servers that speak Anthropic's messages those count in it that count at all.
  bool counts = exchange.operation != exchange::Operation::kCountTokens || endpoint_.counts_tokens();
  if (also_.messages && counts && exchange.dialect == exchange::Dialect::kAnthropic)
    return wire::wire_of(exchange::Dialect::kAnthropic);
  // Its answers are kept in the account that callers share: who may not reach that is translated for.
  if (also_.responses && exchange.dialect == exchange::Dialect::kResponses &&
      exchange.principal.may_call(PassedApi::kResponses))
    return wire::wire_of(exchange::Dialect::kResponses);
  return wire_;
}

io::Task<Result<void>> RemoteProvider::call(const Attempt& attempt, io::Cancel& cancel) {
  if (attempt.exchange.pass) return pass_through(endpoint_, wire_, parser_, attempt, cancel);
  return call_model(endpoint_, wire_for(attempt.exchange), parser_, attempt, cancel);
}

// It lists its models, or says that it has no list: somebody is there who knows our key.
io::Task<bool> RemoteProvider::alive(io::Cancel& cancel) {
  http::ClientCall call(endpoint_.pool());
  std::string head = endpoint_.get_head(wire_.check_path());
  std::string_view request = head;
  auto sent = co_await call.send("GET", {&request, 1}, endpoint_.check(), cancel);
  if (!sent) co_return false;
  int status = call.head().status;
  co_return status < 500 && status != 401 && status != 403;
}

io::Task<Result<std::vector<wire::ListedModel>>> RemoteProvider::list(io::Cancel& cancel) {
  http::ClientCall call(endpoint_.pool());
  std::string head = endpoint_.get_head(wire_.list_path());
  std::string_view request = head;
  CO_TRY_VOID(co_await call.send("GET", {&request, 1}, endpoint_.check(), cancel));
  if (call.head().status != 200)
    co_return fail_internal(ErrorCode::kUpstream,
                            fmt::format("answered {} when asked for its models", call.head().status));
  CO_TRY(std::string bytes, co_await http::read_whole(call.body(), kListBytesMax, cancel));
  json::PaddedBuffer buffer(bytes);
  CO_TRY(json::Document document, parser_.parse(buffer.view()));
  co_return wire::read_model_list(document);
}

}  // namespace weir::upstream
