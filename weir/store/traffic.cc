#include "weir/store/traffic.h"

#include <algorithm>
#include <array>

namespace weir::store {
namespace {

constexpr uint64_t kFormat = 1;
constexpr std::array<std::string_view, kEndings> kNames = {"ok", "refused", "limited", "error", "left"};

// The numbers in the order of their bytes.
template <class S>
auto numbers(S& s) {
  return std::array{&s.requests,         &s.endings[0],      &s.endings[1],    &s.endings[2],
                    &s.endings[3],       &s.endings[4],      &s.streamed,      &s.retried,
                    &s.unpriced,         &s.input_tokens,    &s.output_tokens, &s.cached_input_tokens,
                    &s.reasoning_tokens, &s.cost_nanodollars};
}

uint64_t known(int64_t number) {
  return number > 0 ? static_cast<uint64_t>(number) : 0;
}

}  // namespace

std::string_view name(Ending ending) {
  return kNames[static_cast<size_t>(ending)];
}

std::optional<Ending> ending_of(std::string_view name) {
  auto at = std::ranges::find(kNames, name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Ending>(at - kNames.begin());
}

Ending ending_of(const telemetry::Event& event) {
  std::string_view outcome = event.text(telemetry::EventText::kOutcome);
  if (outcome == "ok") return Ending::kOk;
  if (event.status == 499 || outcome == "client_left") return Ending::kLeft;
  if (event.status == 429) return Ending::kLimited;
  return event.status >= 400 && event.status < 500 ? Ending::kRefused : Ending::kError;
}

void Sums::add(const telemetry::Event& e) {
  ++requests;
  ++endings[static_cast<size_t>(ending_of(e))];
  streamed += e.streamed ? 1 : 0;
  retried += e.attempts > 1 ? 1 : 0;
  input_tokens += known(e.input_tokens);
  output_tokens += known(e.output_tokens);
  cached_input_tokens += known(e.cached_input_tokens);
  reasoning_tokens += known(e.reasoning_tokens);
  cost_nanodollars += known(e.cost_nanodollars);
  unpriced += e.cost_nanodollars < 0 && (e.input_tokens > 0 || e.output_tokens > 0) ? 1 : 0;
  if (e.event_class == telemetry::EventClass::kUsage && e.ended_us >= 0)
    seconds.add(static_cast<double>(e.ended_us) / 1e6);
  if (e.first_token_us >= 0) first_token_seconds.add(static_cast<double>(e.first_token_us) / 1e6);
}

void Sums::add(const Sums& other) {
  auto mine = numbers(*this);
  auto theirs = numbers(other);
  for (size_t i = 0; i < mine.size(); ++i)
    *mine[i] += *theirs[i];
  seconds.add(other.seconds);
  first_token_seconds.add(other.first_token_seconds);
}

std::string Sums::bytes() const {
  std::string bytes;
  telemetry::append_varint(bytes, kFormat);
  for (const uint64_t* number : numbers(*this))
    telemetry::append_varint(bytes, *number);
  seconds.append_to(bytes);
  first_token_seconds.append_to(bytes);
  return bytes;
}

std::optional<Sums> Sums::from(std::string_view bytes) {
  Sums sums;
  uint64_t format = 0;
  if (!telemetry::take_varint(bytes, format) || format != kFormat) return std::nullopt;
  for (uint64_t* number : numbers(sums))
    if (!telemetry::take_varint(bytes, *number)) return std::nullopt;
  if (!sums.seconds.take_from(bytes) || !sums.first_token_seconds.take_from(bytes)) return std::nullopt;
  return sums;
}

std::string_view tenant_of(const telemetry::Event& event) {
  return event.text(telemetry::EventText::kTenant);
}

}  // namespace weir::store
