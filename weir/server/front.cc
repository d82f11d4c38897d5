#include "weir/server/front.h"

#include <array>

#include "weir/base/json_write.h"
#include "weir/wire/wire.h"

namespace weir::server {
namespace {

io::Task<void> send_json(http::ResponseWriter& response, int status, std::string body) {
  std::array<Header, 1> headers{Header{"content-type", "application/json"}};
  co_await response.send(status, headers, body);
}

io::Task<void> send_text(http::ResponseWriter& response, std::string body) {
  std::array<Header, 1> headers{Header{"content-type", "text/plain; version=0.0.4; charset=utf-8"}};
  co_await response.send(200, headers, body);
}

// The dialect that the clients of a path read, also where there is no such path.
const wire::Wire& wire_for(std::string_view path) {
  using exchange::Dialect;
  if (path.starts_with("/v1/messages")) return wire::wire_of(Dialect::kAnthropic);
  if (path.starts_with("/api/")) return wire::wire_of(Dialect::kOllama);
  return wire::wire_of(Dialect::kOpenAi);
}

io::Task<void> send_error(http::ResponseWriter& response, std::string_view path, Error error,
                          std::string_view allow) {
  std::array<Header, 2> headers{Header{"content-type", "application/json"}, Header{"allow", allow}};
  std::string body = wire_for(path).error_body(error);
  co_await response.send(http_status(error.code), {headers.data(), allow.empty() ? 1u : 2u}, body);
}

// Which models there are is the configuration's to say, not a caller's.
io::Task<void> refuse_management(http::ResponseWriter& response) {
  Error error =
      make_error(ErrorCode::kPermissionDenied, "This gateway does not let callers manage its models.");
  return send_json(response, http_status(error.code),
                   wire::wire_of(exchange::Dialect::kOllama).error_body(error));
}

}  // namespace

bool Front::is_admin_path(std::string_view path) {
  return path.starts_with("/admin/") || path.starts_with("/console/") || path == "/console";
}

io::Task<void> Front::serve(http::Request& request, http::ResponseWriter& response) {
  if (admin_ && is_admin_path(request.head.path)) return admin_->serve(request, response);
  using exchange::Dialect;
  using exchange::Operation;
  enum class Route : uint8_t {
    kNone,
    kCall,
    kModels,
    kModel,
    kTags,
    kLoaded,
    kShow,
    kVersion,
    kManage,
    kInfer,
    kHealth,
    kReady,
    kMetrics
  };
  struct Row {
    std::string_view path;
    Route route;
    std::string_view method;
    Dialect dialect = Dialect::kOpenAi;
    Operation operation = Operation::kChat;
  };
  static constexpr Row kRoutes[] = {
      {"/v1/chat/completions", Route::kCall, "POST", Dialect::kOpenAi, Operation::kChat},
      {"/v1/completions", Route::kCall, "POST", Dialect::kOpenAi, Operation::kCompletion},
      {"/v1/embeddings", Route::kCall, "POST", Dialect::kOpenAi, Operation::kEmbedding},
      {"/v1/responses", Route::kCall, "POST", Dialect::kResponses, Operation::kChat},
      {"/v1/messages", Route::kCall, "POST", Dialect::kAnthropic, Operation::kChat},
      {"/v1/messages/count_tokens", Route::kCall, "POST", Dialect::kAnthropic, Operation::kCountTokens},
      {"/v1/models", Route::kModels, "GET"},
      {"/api/chat", Route::kCall, "POST", Dialect::kOllama, Operation::kChat},
      {"/api/generate", Route::kCall, "POST", Dialect::kOllama, Operation::kCompletion},
      {"/api/embed", Route::kCall, "POST", Dialect::kOllama, Operation::kEmbedding},
      {"/api/embeddings", Route::kCall, "POST", Dialect::kOllama, Operation::kEmbedding},
      {"/api/tags", Route::kTags, "GET"},
      {"/api/ps", Route::kLoaded, "GET"},
      {"/api/show", Route::kShow, "POST"},
      {"/api/version", Route::kVersion, "GET"},
      {"/api/pull", Route::kManage, "POST"},
      {"/api/push", Route::kManage, "POST"},
      {"/api/create", Route::kManage, "POST"},
      {"/api/copy", Route::kManage, "POST"},
      {"/api/delete", Route::kManage, "DELETE"},
      {"/infer", Route::kInfer, "POST"},
      {"/health", Route::kHealth, "GET"},
      {"/ready", Route::kReady, "GET"},
      {"/metrics", Route::kMetrics, "GET"},
  };
  std::string_view path = request.head.path;
  Row found{path, Route::kNone, {}};
  for (const Row& row : kRoutes)
    if (row.path == path) found = row;
  if (path.starts_with("/v1/models/") && path.size() > 11) found = {path, Route::kModel, "GET"};
  if (path.starts_with("/api/blobs/"))
    found = {path, Route::kManage, request.head.method == "HEAD" ? "HEAD" : "POST"};

  bool is_metrics = found.route == Route::kMetrics;
  bool models = scope_ == Scope::kAll || scope_ == Scope::kWithoutMetrics;  // the data plane
  bool health_too = found.route == Route::kHealth || found.route == Route::kReady;
  if (scope_ == Scope::kAdminOnly ? !health_too : is_metrics ? scope_ == Scope::kWithoutMetrics : !models)
    found.route = Route::kNone;
  if (models && services_->responses() && StoredResponses::is_path(path))
    return stored_.serve(services_, request, response);
  // Before the methods of our own paths are judged: what a provider keeps of chats lies below the same path.
  if (models && (found.route == Route::kNone || found.method != request.head.method))
    if (auto passed = pass(request, response)) return std::move(*passed);
  if (found.route == Route::kNone)
    return send_error(
        response, path,
        make_error(ErrorCode::kNotFound, "There is no such path on this gateway.", {}, "unknown_path"), {});
  bool head_of_get = request.head.method == "HEAD" && found.method == "GET";
  if (request.head.method != found.method && !head_of_get)
    return send_error(
        response, path,
        make_error(ErrorCode::kMethodNotAllowed, "This path takes " + std::string(found.method) + " only.",
                   {}, "method_not_allowed"),
        found.method);

  switch (found.route) {
    case Route::kCall:
      return calls_.call(services_, request, response, wire::wire_of(found.dialect), found.operation);
    case Route::kModels:
      return lists_.models(services_, request, response, {});
    case Route::kModel:
      return lists_.models(services_, request, response, path.substr(11));
    case Route::kTags:
      return lists_.tags(services_, request, response, false);
    case Route::kLoaded:
      return lists_.tags(services_, request, response, true);
    case Route::kShow:
      return lists_.show(services_, request, response);
    case Route::kVersion:
      return lists_.version(response);
    case Route::kManage:
      return refuse_management(response);
    case Route::kInfer:
      return infer_.call(services_, request, response);
    case Route::kHealth:
      return health(response);
    case Route::kReady:
      return ready(response);
    default:
      return metrics(response);
  }
}

// The caller's dialect is told by the path or, where two share it (/v1/files), by the header that every
// client of Anthropic's sends.
std::optional<io::Task<void>> Front::pass(http::Request& request, http::ResponseWriter& response) {
  const http::RequestHead& head = request.head;
  std::string_view path = head.path;
  std::optional<PassedPath> found = passed_path(path);
  if (!found) return std::nullopt;
  bool anthropic = found->anthropic || find_header(head.headers, "anthropic-version") != nullptr;
  if (!PassThroughApi::offered(services_->settings(), *found, anthropic)) return std::nullopt;
  if (!is_plain_path(head.path)) return std::nullopt;
  if (head.method != "GET" && head.method != "POST" && head.method != "DELETE")
    return send_error(response, path,
                      make_error(ErrorCode::kMethodNotAllowed, "This path takes GET, POST and DELETE only.",
                                 {}, "method_not_allowed"),
                      "GET, POST, DELETE");
  return passed_.call(services_, request, response, found->api, anthropic);
}

std::string Front::error_body(const Error& error, std::string_view path) {
  return wire_for(path).error_body(error);
}

io::Task<void> Front::health(http::ResponseWriter& response) {
  return send_json(response, 200, R"({"status":"ok"})");
}

io::Task<void> Front::ready(http::ResponseWriter& response) {
  std::vector<std::string> reasons = services_->not_ready();
  if (draining_) reasons.emplace_back("draining");
  std::string body;
  json::Writer writer(body);
  auto list = [&](std::string_view key, const std::vector<std::string>& sentences) {
    writer.key(key).begin_array();
    for (const std::string& sentence : sentences)
      writer.value(sentence);
    writer.end_array();
  };
  writer.begin_object().member("status", reasons.empty() ? "ready" : "not_ready");
  list("reasons", reasons);
  list("warnings", services_->warnings());
  writer.end_object();
  return send_json(response, reasons.empty() ? 200 : 503, std::move(body));
}

io::Task<void> Front::metrics(http::ResponseWriter& response) {
  return send_text(response, services_->metrics_text());
}

}  // namespace weir::server
