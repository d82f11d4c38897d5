#include "weir/server/answers.h"

#include <array>
#include <string>

namespace weir::server {

std::vector<Header> answer_headers(const exchange::Exchange& exchange, std::string_view content_type,
                                   const OwnedHeaders& passed) {
  std::vector<Header> headers;
  headers.reserve(passed.size() + 8);
  if (!content_type.empty()) headers.push_back({"content-type", content_type});
  bool has_request_id = false, has_own_id = false;
  for (const auto& [name, value] : passed) {
    headers.push_back({name, value});
    has_request_id = has_request_id || name == "x-request-id";
    has_own_id = has_own_id || name == "request-id";
  }
  if (!exchange.cost.text.empty()) headers.push_back({"x-weir-cost-usd", exchange.cost.text});
  if (!exchange.reserved.warning.empty())
    headers.push_back({"x-weir-budget-warning", exchange.reserved.warning});
  if (!exchange.lossy.empty()) headers.push_back({"x-weir-lossy", exchange.lossy});
  if (exchange.outcome.degraded) headers.push_back({"x-weir-degraded", "text"});
  if (!has_request_id) headers.push_back({"x-request-id", exchange.id});
  if (!has_own_id && exchange.dialect == exchange::Dialect::kAnthropic)
    headers.push_back({"request-id", exchange.id});
  headers.push_back({"x-weir-request-id", exchange.id});
  if (!exchange.outcome.provider.empty()) {
    headers.push_back({"x-weir-provider", exchange.outcome.provider});
    if (!exchange.outcome.provider_model.empty())
      headers.push_back({"x-weir-model", exchange.outcome.provider_model});
  }
  return headers;
}

io::Task<void> send_error(http::ResponseWriter& response, const wire::Wire& wire,
                          const exchange::Exchange& exchange, const Error& error) {
  OwnedHeaders extra;
  if (error.code == ErrorCode::kUnauthenticated) extra.emplace_back("www-authenticate", "Bearer");
  if (error.reason == "unsupported_content_encoding")
    extra.emplace_back("accept-encoding", http::kContentCodings);
  if (error.retry_after_s > 0) extra.emplace_back("retry-after", std::to_string(error.retry_after_s));
  std::string body = wire.error_body(error);
  co_await response.send(http_status(error.code), answer_headers(exchange, "application/json", extra), body);
}

io::Task<bool> ended(http::ResponseWriter& response, const wire::Wire& wire,
                     const exchange::Exchange& exchange, Result<void>& outcome) {
  if (!outcome && outcome.error().code == ErrorCode::kCancelled) co_return true;  // nobody listens
  if (outcome && !exchange.answer && !response.started())
    outcome = fail_internal(ErrorCode::kInternal, "the pipeline ended without an answer");
  if (!outcome && !response.started()) {
    co_await send_error(response, wire, exchange, outcome.error());
    co_return true;
  }
  if (!outcome || !exchange.answer) co_return false;
  const exchange::Answer& answer = *exchange.answer;
  co_await response.send(answer.status, answer_headers(exchange, answer.content_type, answer.headers),
                         answer.body);
  co_return true;
}

io::Task<void> refuse(Admission& admission, Admission::Why why, const wire::Wire& wire,
                      http::Request& request, http::ResponseWriter& response) {
  if (why == Admission::Why::kLeft) co_return;  // nobody listens
  Admission::Refusal refusal = admission.refusal(why, request.connections());
  request.rest(refusal.rest);
  std::string retry_after = std::to_string(refusal.error.retry_after_s);
  std::array<Header, 2> headers{Header{"content-type", "application/json"},
                                Header{"retry-after", retry_after}};
  std::string body = wire.error_body(refusal.error);
  co_await response.send(http_status(refusal.error.code), headers, body);
}

}  // namespace weir::server
