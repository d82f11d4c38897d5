#include "weir/store/ledger_sums.h"

#include <algorithm>

#include "weir/base/time_text.h"
#include "weir/store/segment.h"
#include "weir/telemetry/event.h"

namespace weir::store {
namespace {

using telemetry::Event;
using telemetry::EventText;

constexpr int64_t kHourNs = 3'600'000'000'000;

std::array<int64_t, kLedgerSums> sums_of(const Event& e) {
  auto known = [](int64_t n) { return std::max<int64_t>(n, 0); };
  return {1,
          e.text(EventText::kOutcome) != "ok",
          e.usage_estimated,
          known(e.input_tokens),
          known(e.cached_input_tokens),
          known(e.cache_write_tokens),
          known(e.output_tokens),
          known(e.reasoning_tokens),
          known(e.cost_nanodollars),
          e.input_nanodollars,
          e.cache_read_nanodollars,
          e.cache_write_nanodollars};
}

std::string_view key_of(const Event& e) {
  std::string_view key = e.text(EventText::kKey);
  return key.empty() ? e.text(EventText::kPrincipal) : key;
}

}  // namespace

void add_to_rows(LedgerRows& rows, std::span<const std::byte> segment) {
  std::string name;  // of a row: its texts cannot hold a zero byte
  LedgerRow* last = nullptr;
  SegmentReader reader(segment);
  while (auto stored = reader.next()) {
    auto event = telemetry::decode(stored->bytes);
    if (!event || event->event_class != telemetry::EventClass::kUsage) continue;
    const Event& e = *event;
    int64_t ended_ns = e.received_unix_ns + std::max<int64_t>(e.ended_us, 0) * 1000;
    int64_t hour = ended_ns / kHourNs * (kHourNs / 1'000'000'000);
    std::array<std::string_view, kLedgerTexts> texts = {
        e.text(EventText::kTenant), e.text(EventText::kTeam),    key_of(e),
        e.text(EventText::kUser),   e.text(EventText::kAgent),   e.text(EventText::kTag),
        e.text(EventText::kModel),  e.text(EventText::kProvider)};
    std::array<int64_t, kLedgerSums> sums = sums_of(e);
    auto add = [&sums](LedgerRow& row) {
      for (size_t i = 0; i < sums.size(); ++i)
        row.sums[i] += sums[i];
    };
    bool same = last && last->hour == hour && last->price_version == e.price_version &&
                std::ranges::equal(last->texts, texts);
    if (same) {  // as in nearly all batches of one caller
      add(*last);
      continue;
    }
    name.assign(reinterpret_cast<const char*>(&hour), sizeof hour);
    name.append(reinterpret_cast<const char*>(&e.price_version), sizeof e.price_version);
    for (std::string_view text : texts)
      name.append(text).push_back('\0');
    auto [row, is_new] = rows.try_emplace(name);
    if (is_new) {
      row->second.hour = hour;
      row->second.price_version = e.price_version;
      for (size_t i = 0; i < texts.size(); ++i)
        row->second.texts[i] = texts[i];
    }
    last = &row->second;  // rows of this map never move
    add(*last);
  }
}

std::string ledger_hour_text(int64_t unix_s) {
  if (unix_s == 0) return "before";
  return rfc3339(WallTime{unix_s * 1'000'000'000}).substr(0, 19) + "Z";
}

}  // namespace weir::store
