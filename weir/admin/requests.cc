// GET /admin/v1/requests and /admin/v1/requests/{id}: what happened to this one? Newest first, a page at a
// time: `next` given as ?before= goes on below the last one. A page looks at a bounded number of records and
// says so when that was not enough.
#include <fmt/format.h>

#include <charconv>

#include "weir/admin/call.h"
#include "weir/admin/series.h"
#include "weir/base/money.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

using store::RequestFilter;
using store::RequestPlace;
using telemetry::Event;
using telemetry::EventText;

// "12-345": segment and index.
std::string text_of(RequestPlace place) {
  return fmt::format("{}-{}", place.segment, place.index);
}
std::optional<RequestPlace> place_of(std::string_view text) {
  RequestPlace place;
  const char* end = text.data() + text.size();
  auto [dash, bad_segment] = std::from_chars(text.data(), end, place.segment);
  if (bad_segment != std::errc() || dash == end || *dash != '-') return std::nullopt;
  auto [last, bad_index] = std::from_chars(dash + 1, end, place.index);
  if (bad_index != std::errc() || last != end || place.segment < 0 || place.index < 0) return std::nullopt;
  return place;
}

Unexpected invalid(std::string_view name, std::string_view must) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' must be {}.", name, must), std::string(name),
              "invalid_value");
}

Result<RequestFilter> filter(const Call& call) {
  RequestFilter f;
  TRY(TimeRange range, time_range(call));
  f.from_unix_ns = range.from_s * 1'000'000'000;
  f.to_unix_ns = range.to_s * 1'000'000'000;
  f.tenant = call.tenant();
  struct {
    std::string_view name;
    std::string& into;
  } texts[] = {{"model", f.model},       {"provider", f.provider}, {"key", f.key},
               {"endpoint", f.endpoint}, {"reason", f.reason},     {"id", f.id}};
  for (auto& text : texts)
    text.into = call.query(text.name).value_or("");
  if (auto ending = call.query("ending"); ending && !ending->empty()) {
    f.ending = store::ending_of(*ending);
    if (!f.ending) return invalid("ending", "ok, refused, limited, error or left");
  }
  TRY(f.status, call.query_integer("status", 0, 0, 599));
  TRY(int64_t slower_ms, call.query_integer("slower", 0, 0, 86'400'000));
  f.slower_than_us = slower_ms * 1000;
  if (auto cost = call.query("cost"); cost && !cost->empty()) {
    auto least = nanodollars_of(*cost);
    if (!least) return invalid("cost", "dollars, as 0.05");
    f.cost_min_nanodollars = *least;
  }
  f.failed = call.query("failed") == "1";
  f.retried = call.query("retried") == "1";
  TRY(int64_t limit, call.query_integer("limit", 50, 1, 500));
  f.limit = static_cast<size_t>(limit);
  if (auto before = call.query("before")) {
    f.below = place_of(*before);
    if (!f.below) return invalid("before", "what an answer gave as next");
  }
  return f;
}

void write_known(json::Writer& w, std::string_view name, int64_t number) {
  w.key(name);
  number < 0 ? w.null() : w.value(number);
}
void write_text(json::Writer& w, std::string_view name, std::string_view text) {
  w.key(name);
  text.empty() ? w.null() : w.value(text);
}
void write_us_as_ms(json::Writer& w, std::string_view name, int64_t us) {
  w.key(name);
  us < 0 ? w.null() : w.value(static_cast<double>(us) / 1000);
}

// The members of RequestRow in ui/src/lib/api.ts.
void write_members(json::Writer& w, RequestPlace place, const Event& e) {
  w.member("place", text_of(place)).member("request_id", e.text(EventText::kRequestId));
  w.member("unix_ms", e.received_unix_ns / 1'000'000);
  w.member("ending", store::name(store::ending_of(e))).member("status", e.status);
  w.member("outcome", e.text(EventText::kOutcome));
  write_text(w, "reason", e.text(EventText::kReason));
  w.member("operation", e.text(EventText::kOperation));
  write_text(w, "model_asked", e.text(EventText::kModelAsked));
  write_text(w, "model", e.text(EventText::kModel));
  write_text(w, "provider", e.text(EventText::kProvider));
  write_text(w, "provider_model", e.text(EventText::kProviderModel));
  write_text(w, "endpoint", e.text(EventText::kEndpoint));
  write_text(w, "tenant", store::tenant_of(e));
  write_text(w, "key", e.text(EventText::kPrincipal));
  write_text(w, "peer", e.text(EventText::kPeer));
  w.member("streamed", e.streamed).member("attempts", static_cast<int>(e.attempts));
  write_us_as_ms(w, "duration_ms", e.ended_us);
  write_us_as_ms(w, "first_token_ms", e.first_token_us);
  write_known(w, "input_tokens", e.input_tokens);
  write_known(w, "cached_input_tokens", e.cached_input_tokens);
  write_known(w, "output_tokens", e.output_tokens);
  write_known(w, "reasoning_tokens", e.reasoning_tokens);
  write_known(w, "cost_nanodollars", e.cost_nanodollars);
}

Result<std::string> page(store::TrafficStore& traffic, const RequestFilter& filter) {
  std::string body;
  json::Writer w(body);
  w.begin_object().key("data").begin_array();
  TRY(store::RequestPage read, traffic.requests(filter, [&](RequestPlace place, const Event& event) {
    w.begin_object();
    write_members(w, place, event);
    w.end_object();
  }));
  w.end_array().key("next");
  read.next ? w.value(text_of(*read.next)) : w.null();
  w.member("scanned", read.scanned).member("stopped", read.stopped).end_object();
  return body;
}

// Where the time went; a stage that was not reached is left out.
void write_stages(json::Writer& w, const Event& e) {
  struct {
    std::string_view name;
    int64_t end_us;
  } stages[] = {{"read", e.parsed_us},
                {"connect", e.connected_us},
                {"wait", e.first_byte_us},
                {"first_token", e.first_token_us},
                {"answer", e.ended_us}};
  w.key("stages").begin_array();
  int64_t begin = 0;
  for (const auto& stage : stages) {
    bool whole_answer = stage.name == "answer" && e.first_byte_us < 0;  // refused: there was none
    if (stage.end_us < begin || whole_answer) continue;
    w.begin_object().member("name", stage.name).member("from_us", begin).member("to_us", stage.end_us);
    w.end_object();
    begin = stage.end_us;
  }
  w.end_array();
}

// What each class of tokens costs by today's prices. A record keeps its sum, not its lines.
void write_price_lines(json::Writer& w, const Event& e, const registry::Registry* registry) {
  w.key("price_lines").begin_array();
  const registry::ModelFacts* facts =
      registry && e.cost_nanodollars >= 0
          ? registry->find(e.text(EventText::kProvider), e.text(EventText::kProviderModel))
          : nullptr;
  auto line = [&](std::string_view what, int64_t tokens, registry::Price price) {
    if (tokens <= 0 || !price) return;
    // Exact: tokens times a price for a million, rounded half up.
    auto exact = static_cast<unsigned __int128>(tokens) * static_cast<uint64_t>(*price);
    w.begin_object().member("what", what).member("tokens", tokens);
    w.member("usd_per_million", short_dollars(*price));
    w.member("nanodollars", static_cast<int64_t>((exact + 500'000) / 1'000'000)).end_object();
  };
  if (facts) {
    bool tier = facts->tier_above > 0 && e.input_tokens > facts->tier_above;
    registry::Rates rates = facts->rates;
    if (tier) rates.take(facts->tier);
    int64_t cached = std::max<int64_t>(e.cached_input_tokens, 0);
    line("input", e.input_tokens - cached, rates.input);
    line("input from the provider's cache", cached, rates.cache_read ? rates.cache_read : rates.input);
    int64_t reasoning = rates.reasoning ? std::max<int64_t>(e.reasoning_tokens, 0) : 0;
    line("output", e.output_tokens - reasoning, rates.output);
    line("reasoning", reasoning, rates.reasoning);
  }
  w.end_array();
}

constexpr size_t kSearchMax = 2'000'000;  // records looked at for an id without its place: about two seconds

Result<std::string> one(store::TrafficStore& traffic, RequestFilter filter, std::optional<RequestPlace> place,
                        const registry::Registry* registry) {
  std::string body;
  auto write = [&](RequestPlace at, const Event& e) {
    if (e.text(EventText::kRequestId) != filter.id) return;
    if (filter.tenant && store::tenant_of(e) != *filter.tenant) return;
    json::Writer w(body);
    w.begin_object();
    write_members(w, at, e);
    w.member("received_unix_ns", std::to_string(e.received_unix_ns));
    w.member("class", e.event_class == telemetry::EventClass::kUsage ? "usage" : "telemetry");
    w.member("request_bytes", e.request_bytes).member("answer_bytes", e.answer_bytes);
    w.member("stream_events", e.stream_events);
    write_text(w, "begun_by", e.text(EventText::kBegunBy));
    write_stages(w, e);
    write_price_lines(w, e, registry);
    w.end_object();
  };
  if (place) TRY_VOID(traffic.request(*place, write));
  if (body.empty()) {
    filter.limit = 1;
    filter.scan_max = kSearchMax;
    TRY(auto read, traffic.requests(filter, write));
    if (body.empty() && read.stopped)
      return fail(ErrorCode::kNotFound,
                  fmt::format("There is no request '{}' among the newest {}; open it from the list, which "
                              "knows its place.",
                              filter.id, read.scanned),
                  "id", "request_not_found");
  }
  if (body.empty()) return not_found("request", filter.id);
  return body;
}

Unexpected no_records() {
  return fail(ErrorCode::kNotFound, "No records are kept (events.enabled).", {}, "no_records");
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kRequests>(Call& call) {
  std::shared_ptr<store::TrafficStore> traffic = call.world.traffic;
  if (!traffic) co_return no_records();
  CO_TRY(RequestFilter wanted, filter(call));
  Answer made;
  CO_TRY(made.body, co_await io::offload(call.loop, [&] { return page(*traffic, wanted); }));
  co_return made;
}

template <>
io::Task<Result<Answer>> serve<Route::kOneRequest>(Call& call) {
  std::shared_ptr<store::TrafficStore> traffic = call.world.traffic;
  if (!traffic) co_return no_records();
  RequestFilter wanted;
  wanted.id = call.object;
  wanted.tenant = call.tenant();
  wanted.to_unix_ns = call.loop.wall_now().unix_ns + 1;
  std::optional<RequestPlace> place;
  if (auto at = call.query("at")) place = place_of(*at);
  std::shared_ptr<const registry::Registry> registry = call.world.registry;
  Answer made;
  CO_TRY(made.body,
         co_await io::offload(call.loop, [&] { return one(*traffic, wanted, place, registry.get()); }));
  co_return made;
}

}  // namespace weir::admin
