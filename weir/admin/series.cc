#include "weir/admin/series.h"

#include <algorithm>

#include "weir/base/money.h"

namespace weir::admin {

using store::Ending;
using store::Grain;
using store::Sums;

namespace {

// How long the store's grains are kept (TrafficFollower::Options), with room.
constexpr int64_t kTenSecondsKept_s = 7 * 3600, kMinutesKept_s = 7 * 86'400;
// Sums are taken in every two seconds: a step is whole some seconds after its end.
constexpr int64_t kLag_s = 4;

}  // namespace

Steps Steps::of(const TimeRange& range, int64_t step_s, int64_t now_s, bool partial) {
  Steps steps{range, step_s};
  steps.first_s = range.from_s - range.from_s % step_s;
  int64_t end = std::min(range.to_s, now_s - kLag_s);
  int64_t whole = (end - steps.first_s) / step_s;
  // A range in the past ends with the step that holds its end.
  if (partial || range.to_s + step_s + kLag_s < now_s)
    whole = (std::min(range.to_s, now_s + 1) - steps.first_s + step_s - 1) / step_s;
  steps.count = static_cast<size_t>(std::max<int64_t>(whole, 0));
  return steps;
}

std::optional<size_t> Steps::index(int64_t at_s) const {
  if (at_s < first_s) return std::nullopt;
  auto i = static_cast<size_t>((at_s - first_s) / step_s);
  if (i >= count) return std::nullopt;
  return i;
}

void Steps::write(json::Writer& w) const {
  w.member("from_ms", range.from_s * 1000)
      .member("to_ms", range.to_s * 1000)
      .member("step_ms", step_s * 1000);
  w.key("times_ms").begin_array();
  for (size_t i = 0; i < count; ++i)
    w.value((first_s + static_cast<int64_t>(i) * step_s) * 1000);
  w.end_array();
}

Result<int64_t> choose_grain(store::TrafficStore& traffic, store::TrafficQuery& query, int64_t step_s,
                             int64_t now_s) {
  int64_t age = now_s - query.from_s;
  for (Grain grain : {Grain::kHour, Grain::kMinute, Grain::kTenSeconds})
    if (store::seconds_of(grain) <= step_s) {
      query.grain = grain;
      break;
    }
  if (query.grain == Grain::kTenSeconds && age > kTenSecondsKept_s) query.grain = Grain::kMinute;
  if (query.grain == Grain::kMinute && age > kMinutesKept_s) query.grain = Grain::kHour;
  while (query.grain != Grain::kHour) {
    TRY(uint64_t rows, traffic.rows(query, kRowsMax));
    if (rows < kRowsMax) break;
    query.grain = query.grain == Grain::kTenSeconds ? Grain::kMinute : Grain::kHour;
  }
  return std::max(step_s, store::seconds_of(query.grain));
}

std::string short_dollars(int64_t nanodollars) {
  std::string text = dollars_text(nanodollars);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

void write_ms(json::Writer& w, std::optional<double> seconds) {
  if (!seconds)
    w.null();
  else  // two sketched digits behind the point are more than is known
    w.value(static_cast<double>(static_cast<int64_t>(*seconds * 1e6 + 0.5)) / 1e3);
}

void write_totals(json::Writer& w, const Sums& s) {
  w.member("requests", s.requests).member("ok", s.ended(Ending::kOk));
  w.member("refused", s.ended(Ending::kRefused)).member("limited", s.ended(Ending::kLimited));
  w.member("errors", s.ended(Ending::kError)).member("left", s.ended(Ending::kLeft));
  w.member("streamed", s.streamed).member("retried", s.retried).member("unpriced", s.unpriced);
  w.member("input_tokens", s.input_tokens).member("cached_input_tokens", s.cached_input_tokens);
  w.member("output_tokens", s.output_tokens).member("cost_nanodollars", s.cost_nanodollars);
  write_ms(w.key("p50_ms"), s.seconds.quantile(0.5));
  write_ms(w.key("p95_ms"), s.seconds.quantile(0.95));
  write_ms(w.key("p99_ms"), s.seconds.quantile(0.99));
  write_ms(w.key("ttft_p50_ms"), s.first_token_seconds.quantile(0.5));
  write_ms(w.key("ttft_p95_ms"), s.first_token_seconds.quantile(0.95));
  write_ms(w.key("ttft_p99_ms"), s.first_token_seconds.quantile(0.99));
}

}  // namespace weir::admin
