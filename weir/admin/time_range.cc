#include "weir/admin/time_range.h"

#include <charconv>

#include "weir/base/time_text.h"

namespace weir::admin {
namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kLongest = 400 * kDay;
constexpr int64_t kLatest = int64_t{1} << 33;  // the year 2242

Result<int64_t> moment(const Call& call, std::string_view name, int64_t otherwise) {
  std::optional<std::string> said = call.query(name);
  if (!said) return otherwise;
  int64_t second = 0;
  auto [end, error] = std::from_chars(said->data(), said->data() + said->size(), second);
  if (error == std::errc() && end == said->data() + said->size() && second >= 0 && second < kLatest)
    return second;
  std::string_view text = *said;
  if (text.size() == std::string_view("2026-11-21T08:15:30Z").size() && text.ends_with('Z'))
    text.remove_suffix(1);
  if (auto at = parse_time(text)) return at->unix_ns / 1'000'000'000;
  return fail(ErrorCode::kInvalidRequest,
              "'" + std::string(name) + "' must be a Unix time in seconds, or as 2026-11-21T08:15 (UTC).",
              std::string(name), "invalid_value");
}

}  // namespace

Result<TimeRange> time_range(const Call& call) {
  int64_t now = call.loop.wall_now().unix_ns / 1'000'000'000;
  TRY(int64_t to, moment(call, "to", now + 1));
  TRY(int64_t from, moment(call, "from", to - 3600));
  if (from >= to)
    return fail(ErrorCode::kInvalidRequest, "'from' must lie before 'to'.", "from", "invalid_value");
  if (to - from > kLongest)
    return fail(ErrorCode::kInvalidRequest, "The range may be at most 400 days long.", "from",
                "invalid_value");
  return TimeRange{from, to};
}

int64_t chart_step(const TimeRange& range) {
  int64_t wanted = (range.to_s - range.from_s) / 120;
  for (int64_t step : {10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200})
    if (step >= wanted) return step;
  return (wanted / kDay + 1) * kDay;
}

}  // namespace weir::admin
