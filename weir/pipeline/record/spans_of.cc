#include "weir/pipeline/record/spans_of.h"

#include <charconv>

namespace weir::pipeline {
namespace {

using exchange::Exchange;
using telemetry::Span;

std::string_view gen_ai_operation(const Exchange& e) {
  switch (e.operation) {
    case exchange::Operation::kChat:
      return "chat";
    case exchange::Operation::kCompletion:
      return "text_completion";
    case exchange::Operation::kEmbedding:
      return "embeddings";
    default:
      return e.operation_name();
  }
}

void add(Span& span, std::string_view key, std::string_view text) {
  if (!text.empty()) span.attributes.push_back({key, std::string(text)});
}
void add(Span& span, std::string_view key, std::optional<int64_t> number) {
  if (number) span.attributes.push_back({key, *number});
}

void add_server(Span& span, std::string_view endpoint) {
  size_t colon = endpoint.rfind(':');
  if (endpoint.empty() || endpoint.front() == '/' || colon == std::string_view::npos) return;
  add(span, "server.address", endpoint.substr(0, colon));
  int64_t port = 0;
  std::string_view digits = endpoint.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec == std::errc())
    add(span, "server.port", port);
}

std::string error_of(const Exchange& e) {
  if (!e.outcome.error) return {};
  return e.outcome.error->reason.empty() ? std::string(name(e.outcome.error->code)) : e.outcome.error->reason;
}

}  // namespace

std::vector<Span> spans_of(const Exchange& e, const TraceContext& context, MonoTime end, WallTime wall_end) {
  auto at = [&](MonoTime t) { return wall_end.unix_ns - (end - t).count(); };
  const exchange::Timeline& t = e.timeline;
  std::string failure = error_of(e);
  std::vector<Span> spans;

  Span& request = spans.emplace_back();
  request.trace = context.trace;
  request.id = context.request;
  request.parent = context.parent.value_or(TraceContext::SpanId{});
  request.kind = Span::Kind::kServer;
  request.name = e.operation_name();
  if (!e.route.model.empty()) request.name.append(" ").append(e.route.model);
  request.start_unix_ns = at(t.received);
  request.end_unix_ns = wall_end.unix_ns;
  add(request, "weir.request_id", e.id);
  add(request, "weir.dialect", exchange::name(e.dialect));
  add(request, "weir.key", e.principal.name());
  add(request, "weir.tenant", e.principal.tenant());
  add(request, "weir.agent", e.tags.agent);
  add(request, "weir.run", e.tags.run);
  add(request, "weir.tag", e.tags.tag);
  if (e.outcome.status != 0) add(request, "http.response.status_code", int64_t{e.outcome.status});
  add(request, "error.type", failure);
  // An error of the caller's is no failure of ours (HTTP's conventions for servers).
  request.failed = e.outcome.error && (e.outcome.status == 0 || e.outcome.status >= 500);
  request.failure = request.failed ? failure : "";

  uint8_t number = 0;
  auto stage = [&](std::string_view called, MonoTime from, MonoTime to) {
    if (from.ns == 0 || to.ns == 0) return;
    Span span;
    span.trace = context.trace;
    span.id = context.request;
    span.id[0] ^= ++number;
    span.parent = context.request;
    span.name = called;
    span.start_unix_ns = at(from);
    span.end_unix_ns = at(to);
    spans.push_back(std::move(span));
  };
  stage("authenticate", t.received, t.authenticated);
  stage("receive", t.authenticated, t.parsed);
  stage("route", t.parsed, t.routed);

  if (e.outcome.attempts == 0) return spans;
  Span call;
  call.trace = context.trace;
  call.id = context.call;
  call.parent = context.request;
  call.kind = Span::Kind::kClient;
  call.name = std::string(gen_ai_operation(e)) + " " + std::string(e.outcome.provider_model);
  call.start_unix_ns = at(t.routed.ns != 0 ? t.routed : t.received);
  call.end_unix_ns = t.last_byte.ns != 0 ? at(t.last_byte) : wall_end.unix_ns;
  add(call, "gen_ai.operation.name", gen_ai_operation(e));
  add(call, "gen_ai.provider.name", e.outcome.provider);
  add(call, "gen_ai.request.model", e.outcome.provider_model);
  add(call, "gen_ai.usage.input_tokens", e.usage.input_tokens);
  add(call, "gen_ai.usage.output_tokens", e.usage.output_tokens);
  add(call, "gen_ai.usage.cache_read.input_tokens", e.usage.cached_input_tokens);
  add_server(call, e.outcome.endpoint);
  call.attributes.push_back({"weir.stream", e.request.stream});
  add(call, "weir.attempts", int64_t{e.outcome.attempts});
  add(call, "weir.cost_nanodollars", e.cost.nanodollars);
  add(call, "error.type", failure);
  if (t.connected.ns != 0) call.events.emplace_back(at(t.connected), "connected");
  if (t.first_byte.ns != 0) call.events.emplace_back(at(t.first_byte), "first_byte");
  if (t.first_token.ns != 0) call.events.emplace_back(at(t.first_token), "first_token");
  call.failed = e.outcome.error.has_value();
  call.failure = failure;
  spans.push_back(std::move(call));
  return spans;
}

}  // namespace weir::pipeline
