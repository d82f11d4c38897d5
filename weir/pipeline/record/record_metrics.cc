#include "weir/pipeline/record/record_metrics.h"

#include <array>
#include <charconv>
#include <tuple>
#include <utility>

namespace weir::pipeline {

RecordMetrics register_metrics(telemetry::Registry& r) {
  const std::vector<std::string> route = {"operation", "provider", "model"};
  auto with = [&](const char* more) {
    std::vector<std::string> labels = route;
    labels.emplace_back(more);
    return labels;
  };
  return {
      .requests =
          r.add_counter("weir_requests_total", "Requests that entered the pipeline, by the status answered.",
                        with("status")),
      .errors =
          r.add_counter("weir_errors_total", "Requests that did not end well, by reason.", with("reason")),
      .duration =
          r.add_histogram("weir_request_duration_seconds", "From the request head to the end of the answer.",
                          route, telemetry::latency_bounds()),
      .first_token =
          r.add_histogram("weir_time_to_first_token_seconds",
                          "From the request head to the first token (whole answers: to the answer).", route,
                          telemetry::token_latency_bounds()),
      .input_tokens =
          r.add_counter("weir_input_tokens_total", "Input tokens as the model server reported them.", route),
      .output_tokens = r.add_counter("weir_output_tokens_total",
                                     "Output tokens as the model server reported them.", route),
      .cached_input_tokens =
          r.add_counter("weir_cached_input_tokens_total",
                        "The part of the input tokens read from the provider's prompt cache.", route),
      .reasoning_tokens = r.add_counter("weir_reasoning_tokens_total",
                                        "The part of the output tokens spent on reasoning.", route),
      .cost = r.add_counter("weir_cost_usd_total", "Dollars, by the registry's prices.", route),
      .unpriced = r.add_counter("weir_unpriced_answers_total",
                                "Answers whose tokens have no price in the registry.", route),
      .unmetered = r.add_counter("weir_unmetered_answers_total",
                                 "Successful answers whose model server reported no usage.", route),
      .limited = r.add_counter("weir_limited_total",
                               "Requests that a rate, a number of streams or a budget refused or cut off.",
                               {"scope", "limit"}),
      .in_flight = r.add_gauge("weir_requests_in_flight", "Requests in the pipeline now."),
      .log_dropped = r.add_counter("weir_log_dropped_total",
                                   "Log lines lost because the log could not be written in time."),
  };
}

RecordCells::RecordCells(telemetry::Registry& registry, const RecordMetrics& metrics)
    : shard_(registry.add_shard()),
      metrics_(metrics),
      in_flight_(shard_.series(metrics.in_flight, {})),
      log_dropped_(shard_.series(metrics.log_dropped, {})) {}

RecordCells::Route& RecordCells::route_of(std::string_view operation, std::string_view provider,
                                          std::string_view model) {
  size_t at = 0;
  for (std::string_view part : {operation, provider, model})
    at = 31 * at + part.size() + (part.empty() ? 0 : static_cast<unsigned char>(part.back()));
  Route& route = routes_[at % routes_.size()];
  if (route.model != model || route.provider != provider || route.operation != operation)
    route = {.operation{operation}, .provider{provider}, .model{model}};
  return route;
}

void RecordCells::record(const exchange::Exchange& e, MonoTime end) {
  in_flight_.add(-1);
  std::string_view operation = e.operation_name(), provider = e.outcome.provider, model = e.route.model;
  Route& route = route_of(operation, provider, model);

  bool left = e.outcome.cancelled == io::CancelReason::kClientLeft;
  int status = left ? 499 : e.outcome.status;
  if (route.status != status) {
    std::array<char, 8> digits;
    auto digits_end = std::to_chars(digits.data(), digits.data() + digits.size(), status).ptr;
    std::string_view status_text(digits.data(), static_cast<size_t>(digits_end - digits.data()));
    route.requests = shard_.series(metrics_.requests, {operation, provider, model, status_text});
    route.status = status;
  }
  route.requests.add();

  if (!e.reserved.refused_limit.empty())
    shard_.series(metrics_.limited, {e.reserved.refused_scope, e.reserved.refused_limit}).add();
  if (e.outcome.error || left) {
    std::string_view reason = "client_left";
    if (!left)
      reason = e.outcome.error->reason.empty() ? name(e.outcome.error->code)
                                               : std::string_view(e.outcome.error->reason);
    shard_.series(metrics_.errors, {operation, provider, model, reason}).add();
  }
  if (e.outcome.attempts == 0) return;  // refused before any model server was asked

  if (!std::exchange(route.asked, true))
    std::tie(route.duration, route.first_token) =
        shard_.series_of({operation, provider, model}, metrics_.duration, metrics_.first_token);
  route.duration.record(to_seconds(end - e.timeline.received));
  if (e.timeline.first_token.ns != 0)
    route.first_token.record(to_seconds(e.timeline.first_token - e.timeline.received));

  auto add = [&](telemetry::Counter& series, telemetry::Family<telemetry::Counter> family, double n) {
    if (!series) series = shard_.series(family, {operation, provider, model});
    series.add(n);
  };
  // What nobody told is in the record and in the ledger, not among what model servers reported.
  bool told = !e.outcome.usage_estimated || !e.spent.empty();
  auto count = [&](telemetry::Counter& series, telemetry::Family<telemetry::Counter> family,
                   const std::optional<int64_t>& tokens) {
    if (told && tokens && *tokens > 0) add(series, family, static_cast<double>(*tokens));
  };
  count(route.input_tokens, metrics_.input_tokens, e.usage.input_tokens);
  count(route.output_tokens, metrics_.output_tokens, e.usage.output_tokens);
  count(route.cached_input_tokens, metrics_.cached_input_tokens, e.usage.cached_input_tokens);
  count(route.reasoning_tokens, metrics_.reasoning_tokens, e.usage.reasoning_tokens);
  if (e.cost.nanodollars && *e.cost.nanodollars > 0)
    add(route.cost, metrics_.cost, static_cast<double>(*e.cost.nanodollars) / 1e9);
  if (e.cost.unpriced) add(route.unpriced, metrics_.unpriced, 1);
  bool metered = e.operation != exchange::Operation::kCountTokens &&
                 (!e.pass || by_model(e.pass->api));  // a list of files uses no tokens
  if (metered && !e.usage.known() && !e.outcome.error && !left) add(route.unmetered, metrics_.unmetered, 1);
}

}  // namespace weir::pipeline
