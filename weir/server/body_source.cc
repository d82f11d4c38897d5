#include "weir/server/body_source.h"

#include <algorithm>
#include <optional>
#include <string>

#include "weir/server/caller.h"

namespace weir::server {
namespace {

using http::ContentCoding;

// application/json, or another type whose syntax is JSON (RFC 6838, 4.2.8), whatever its parameters.
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t'))
    type.remove_suffix(1);
  if (iequals(type, "application/json")) return true;
  return type.size() > 5 && iequals(type.substr(type.size() - 5), "+json") && type.contains('/');
}

// Headers by which other gateways let a caller choose the model server ("x-portkey-custom-host"). None of
// them would do anything here; a caller who sends one learns so instead of wondering, and a tester sees the
// refusal.
bool steers(std::string_view name) {
  auto ends_in = [&](std::string_view wanted) {
    if (name.size() < wanted.size()) return false;
    size_t at = name.size() - wanted.size();
    auto same = [](char c, char w) { return (c == '_' ? '-' : lower(c)) == w; };
    return (at == 0 || name[at - 1] == '-' || name[at - 1] == '_') &&
           std::ranges::equal(name.substr(at), wanted, same);
  };
  // The last letter tells most names apart; every name of every request comes here.
  switch (name.empty() ? '\0' : lower(name.back())) {
    case 'e':
      return ends_in("api-base");
    case 'l':
      return ends_in("base-url") || ends_in("target-url") || ends_in("upstream-url");
    case 's':
      return ends_in("extra-headers");
    case 't':
      return ends_in("custom-host") || ends_in("api-endpoint");
    case 'y':
      return ends_in("extra-body");
    default:
      return false;
  }
}

// A header that the caller relies on and that would not reach the model server as it is.
bool unfit(const Header& h) {
  if (!iequals(h.name, "idempotency-key") && !iequals(h.name, "openai-beta")) return false;
  return h.value.size() > 512 || !std::ranges::all_of(h.value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

Result<void> refuse_other_than_json(HeaderList headers) {
  for (const Header& h : headers)
    if (iequals(h.name, "content-type") && !is_json(h.value))
      return fail(ErrorCode::kInvalidRequest,
                  "The content type '" + std::string(h.value.substr(0, 100)) +
                      "' is not supported here: send application/json.",
                  {}, "unsupported_content_type");
  return {};
}

Result<void> refuse_steering(HeaderList headers) {
  for (const Header& h : headers) {
    bool steering = steers(h.name);
    if (!steering && !unfit(h)) continue;
    std::string named(h.name.substr(0, 100));
    if (steering)
      return fail(ErrorCode::kInvalidRequest, "The header '" + named + "' is not accepted by this gateway.",
                  named, "unknown_parameter");
    return fail(ErrorCode::kInvalidRequest,
                "The header '" + named + "' must be at most 512 characters of ASCII.", named,
                "invalid_value");
  }
  return {};
}

namespace {

// What the head says of the body: the coding to take off, or why it is not read.
Result<std::optional<ContentCoding>> judge_head(HeaderList headers) {
  TRY_VOID(refuse_other_than_json(headers));
  std::optional<ContentCoding> coding;
  bool coded = false;
  for (const Header& h : headers) {
    if (iequals(h.name, "content-encoding")) {
      if (!coded && iequals(h.value, "identity")) continue;
      coding = http::content_coding(h.value);
      if (!coding || coded)
        return fail(ErrorCode::kUnsupportedMedia,
                    "This Content-Encoding is not supported: send one of " +
                        std::string(http::kContentCodings) + ", or the body as it is.",
                    {}, "unsupported_content_encoding");
      coded = true;
    }
  }
  TRY_VOID(refuse_steering(headers));
  return coding;
}

}  // namespace

io::Task<Result<void>> BodySource::receive(exchange::Exchange& exchange) {
  CO_TRY(exchange.tags, caller_tags(exchange.headers));
  CO_TRY(std::optional<ContentCoding> coding, judge_head(request_.head.headers));
  if (coding) {
    http::ContentDecoder decoder(*coding, body_bytes_max_);
    CO_TRY(exchange.request.body, co_await request_.read_body(body_bytes_max_, &decoder));
  } else {
    CO_TRY(exchange.request.body, co_await request_.read_body(body_bytes_max_));
  }
  exchange.request.body_bytes = exchange.request.body.size();
  co_return wire_.read_request(exchange.operation, parser_, exchange.request);
}

}  // namespace weir::server
