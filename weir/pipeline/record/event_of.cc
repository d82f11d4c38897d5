#include "weir/pipeline/record/event_of.h"

#include <algorithm>
#include <limits>

namespace weir::pipeline {
namespace {

int32_t small(const std::optional<int64_t>& tokens) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(tokens.value_or(-1), -1, std::numeric_limits<int32_t>::max()));
}

}  // namespace

telemetry::Event event_of(const exchange::Exchange& x, MonoTime end, WallTime wall_end) {
  using telemetry::EventText;
  const exchange::Timeline& t = x.timeline;
  const exchange::Outcome& o = x.outcome;
  auto since = [&](MonoTime at) { return at.ns == 0 ? -1 : (at - t.received).count() / 1000; };
  bool left = o.cancelled == io::CancelReason::kClientLeft;

  telemetry::Event e;
  e.event_class = o.attempts > 0 ? telemetry::EventClass::kUsage : telemetry::EventClass::kTelemetry;
  e.received_unix_ns = wall_end.unix_ns - (end - t.received).count();
  e.parsed_us = since(t.parsed);
  e.connected_us = since(t.connected);
  e.first_byte_us = since(t.first_byte);
  e.first_token_us = since(t.first_token);
  e.ended_us = since(end);
  e.input_tokens = x.usage.input_tokens.value_or(-1);
  e.output_tokens = x.usage.output_tokens.value_or(-1);
  e.cached_input_tokens = x.usage.cached_input_tokens.value_or(-1);
  e.reasoning_tokens = x.usage.reasoning_tokens.value_or(-1);
  e.cost_nanodollars = x.cost.nanodollars.value_or(-1);
  e.input_nanodollars = x.cost.input_nanodollars;
  e.cache_read_nanodollars = x.cost.cache_read_nanodollars;
  e.cache_write_nanodollars = x.cost.cache_write_nanodollars;
  e.price_version = x.cost.price_version;
  e.cache_write_tokens = small(x.usage.cache_write_tokens);
  e.cache_write_1h_tokens = small(x.usage.cache_write_1h_tokens);
  e.usage_estimated = o.usage_estimated;
  e.request_bytes = static_cast<int64_t>(x.request.body_bytes);
  e.answer_bytes = static_cast<int64_t>(o.answer_bytes);
  e.stream_events = static_cast<int32_t>(std::min<uint64_t>(o.events, std::numeric_limits<int32_t>::max()));
  e.status = static_cast<int16_t>(left ? 499 : o.status);
  e.attempts = static_cast<uint8_t>(std::min(o.attempts, 255));
  e.streamed = o.streamed;

  e.text(EventText::kRequestId) = x.id;
  if (x.timeline.authenticated.ns != 0) e.text(EventText::kPrincipal) = x.principal.name();
  e.text(EventText::kModelAsked) = x.request.model;
  e.text(EventText::kModel) = x.route.model;
  e.text(EventText::kProvider) = o.provider;
  e.text(EventText::kProviderModel) = o.provider_model;
  e.text(EventText::kEndpoint) = o.endpoint;
  e.text(EventText::kOperation) = x.operation_name();
  e.text(EventText::kPeer) = x.peer;
  if (const exchange::Identity* identity = x.principal.identity.get()) {
    e.text(EventText::kTenant) = identity->tenant;
    e.text(EventText::kTeam) = identity->team;
    e.text(EventText::kUser) = identity->user;
    e.text(EventText::kKey) = identity->key;
  }
  e.text(EventText::kAgent) = x.tags.agent;
  e.text(EventText::kRun) = x.tags.run;
  e.text(EventText::kTag) = x.tags.tag;
  e.text(EventText::kBegunBy) = o.begun_by;
  if (left) {
    e.text(EventText::kOutcome) = "client_left";
  } else if (o.error) {
    e.text(EventText::kOutcome) = name(o.error->code);
    e.text(EventText::kReason) = o.error->reason;
  } else {
    e.text(EventText::kOutcome) = "ok";
  }
  return e;
}

}  // namespace weir::pipeline
