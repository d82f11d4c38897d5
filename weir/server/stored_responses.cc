#include "weir/server/stored_responses.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/json_write.h"
#include "weir/server/caller.h"
#include "weir/wire/openai/openai.h"

namespace weir::server {
namespace {

constexpr std::string_view kPrefix = "/v1/responses/";
constexpr size_t kIdBytes = 5 + 24;  // "resp_" and the digits of a request's id

std::string_view id_of(std::string_view path) {
  return path.substr(kPrefix.size(), kIdBytes);
}

// Input items as they are listed: each with an id, which those of a request need not have.
std::vector<std::pair<std::string, std::string>> listed_items(const store::KeptResponse& kept) {
  std::vector<std::pair<std::string, std::string>> items;
  for (const json::Value& item : json::elements_of(kept.input)) {
    auto own = json::find_in(item.raw, "id");
    std::string id = own ? own->as_string().value_or("") : "";
    std::string raw(item.raw);
    if (id.empty()) {
      id = "item_" + kept.id.substr(5) + "_" + std::to_string(items.size());
      size_t inside = raw.find_first_not_of(" \t\r\n", 1);
      bool empty = inside == std::string::npos || raw[inside] == '}';
      raw.insert(1, "\"id\":\"" + id + (empty ? "\"" : "\","));
    }
    items.emplace_back(std::move(id), std::move(raw));
  }
  return items;
}

// A parameter of the query; empty: it is not there.
std::string_view parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    if (one.starts_with(name) && one.size() > name.size() && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  }
  return {};
}

Result<std::string> items_body(const store::KeptResponse& kept, std::string_view query) {
  size_t limit = 20;
  if (std::string_view said = parameter(query, "limit"); !said.empty()) {
    auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), limit);
    if (error != std::errc() || end != said.data() + said.size() || limit < 1 || limit > 100)
      return fail(ErrorCode::kInvalidRequest, "'limit' must be between 1 and 100", "limit", "invalid_value");
  }
  std::string_view order = parameter(query, "order");
  if (!order.empty() && order != "asc" && order != "desc")
    return fail(ErrorCode::kInvalidRequest, "'order' must be asc or desc", "order", "invalid_value");
  auto items = listed_items(kept);
  if (order != "asc") std::ranges::reverse(items);
  auto first = items.begin();
  if (std::string_view after = parameter(query, "after"); !after.empty()) {
    auto at = std::ranges::find(items, after, &std::pair<std::string, std::string>::first);
    if (at == items.end())
      return fail(ErrorCode::kNotFound, "There is no item of this id.", "after", "item_not_found");
    first = at + 1;
  }
  auto last = first + std::min<ptrdiff_t>(static_cast<ptrdiff_t>(limit), items.end() - first);
  std::string out;
  json::Writer w(out);
  w.begin_object().member("object", "list").key("data").begin_array();
  for (auto at = first; at != last; ++at)
    w.raw(at->second);
  w.end_array();
  auto id = [&](std::string_view key, const auto& at) {
    w.key(key);
    first == last ? w.null() : w.value(at->first);
  };
  id("first_id", first);
  id("last_id", first == last ? first : last - 1);
  w.member("has_more", last != items.end()).end_object();
  return out;
}

}  // namespace

bool StoredResponses::is_path(std::string_view path) {
  if (!path.starts_with(kPrefix)) return false;
  std::string_view id = id_of(path), rest = path.substr(std::min(kPrefix.size() + kIdBytes, path.size()));
  bool ours = id.size() == kIdBytes && id.starts_with("resp_") &&
              std::ranges::all_of(id.substr(5),
                                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return ours && (rest.empty() || rest == "/input_items" || rest == "/cancel");
}

io::Task<Result<std::string>> StoredResponses::answer(Services& services, http::Request& request) {
  CO_TRY(exchange::Principal principal, services.authenticate(request.head.headers, is_peer_local(request)));
  std::string owner = exchange::client_of(principal, request.peer);
  std::string id(id_of(request.head.path));
  std::string_view rest = request.head.path.substr(kPrefix.size() + kIdBytes);
  store::ResponseStore& store = *services.responses();
  auto missing = [&] {
    return fail(ErrorCode::kNotFound, "Response with id '" + id + "' not found.", "response_id",
                "response_not_found");
  };
  std::string_view wanted = rest == "/cancel" ? "POST" : "GET";
  if (rest.empty() && request.head.method == "DELETE") {
    CO_TRY(bool removed, co_await io::offload(loop_, [&] { return store.remove(owner, id); }));
    if (!removed) co_return missing();
    co_return R"({"id":")" + id + R"(","object":"response","deleted":true})";
  }
  if (request.head.method != wanted)
    co_return fail(ErrorCode::kMethodNotAllowed, "This path takes " + std::string(wanted) + " only.", {},
                   "method_not_allowed");
  CO_TRY(auto kept, co_await io::offload(loop_, [&] { return store.find(owner, id); }));
  if (!kept) co_return missing();
  if (rest == "/input_items") co_return items_body(*kept, request.head.query);
  if (rest == "/cancel")
    co_return fail(ErrorCode::kInvalidRequest,
                   "Only answers made in the background can be cancelled; this one is complete.",
                   "response_id", "not_cancellable");
  if (parameter(request.head.query, "stream") == "true")
    co_return fail(ErrorCode::kInvalidRequest, "Stored answers are not streamed again by this gateway.",
                   "stream", "unsupported_value");
  co_return std::move(kept->body);
}

io::Task<void> StoredResponses::serve(std::shared_ptr<Services> services, http::Request& request,
                                      http::ResponseWriter& response) {
  Result<std::string> body = co_await answer(*services, request);
  int status = 200;
  if (!body) {
    status = http_status(body.error().code);
    body = wire::openai::error_body(body.error());
  }
  std::string id = new_request_id(loop_.random());
  std::array<Header, 4> headers{Header{"content-type", "application/json"}, Header{"x-request-id", id},
                                Header{"x-weir-request-id", id}, Header{"www-authenticate", "Bearer"}};
  co_await response.send(status, {headers.data(), status == 401 ? 4u : 3u}, *body);
}

}  // namespace weir::server
