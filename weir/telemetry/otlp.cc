#include "weir/telemetry/otlp.h"

#include <bit>
#include <cstring>

namespace weir::telemetry {
namespace {

// Protobuf's wire format, as far as it is needed: varints, 64-bit numbers and what has a length. Fields that
// hold their default are left out, as proto3 has it.
class Message {
 public:
  void number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    tag(field, 0);
    varint(value);
  }
  void fixed(uint32_t field, uint64_t value) {
    if (value != 0) always_fixed(field, value);
  }
  /// A member of a oneof, or optional: there although it is zero.
  void always_number(uint32_t field, uint64_t value) {
    tag(field, 0);
    varint(value);
  }
  void always_fixed(uint32_t field, uint64_t value) {
    tag(field, 1);
    append_fixed(value);
  }
  void always_real(uint32_t field, double value) { always_fixed(field, std::bit_cast<uint64_t>(value)); }
  void bytes(uint32_t field, std::string_view value) {
    if (!value.empty()) always_bytes(field, value);
  }
  void always_bytes(uint32_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    out_.append(value);
  }
  void message(uint32_t field, const Message& value) { always_bytes(field, value.out_); }
  /// Without a tag, for packed lists.
  void append_fixed(uint64_t value) {
    for (int i = 0; i < 8; ++i)
      out_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  std::string& text() { return out_; }

 private:
  void tag(uint32_t field, uint32_t type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

// A text must be UTF-8, or the whole message is refused.
std::string clean(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x7f || (c < ' ' && c != '\t')) c = '?';
  return out;
}

template <size_t N>
std::string_view view(const std::array<uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

Message key_value(std::string_view key, const std::variant<std::string, int64_t, double, bool>& value) {
  Message any;
  switch (value.index()) {
    case 0:
      any.always_bytes(1, clean(std::get<0>(value)));
      break;
    case 1:
      any.always_number(3, static_cast<uint64_t>(std::get<1>(value)));
      break;
    case 2:
      any.always_real(4, std::get<2>(value));
      break;
    default:
      any.always_number(2, std::get<3>(value) ? 1 : 0);
  }
  Message pair;
  pair.bytes(1, key);
  pair.message(2, any);
  return pair;
}

Message resource_of(const OtlpSource& source) {
  Message resource;
  resource.message(1, key_value("service.name", source.service));
  resource.message(1, key_value("service.version", source.version));
  if (!source.instance.empty()) resource.message(1, key_value("service.instance.id", source.instance));
  return resource;
}

Message scope_of(const OtlpSource& source) {
  Message scope;
  scope.bytes(1, "weir");
  scope.bytes(2, source.version);
  return scope;
}

Message message_of(const Span& span) {
  Message m;
  m.bytes(1, view(span.trace));
  m.bytes(2, view(span.id));
  if (span.parent != std::array<uint8_t, 8>{}) m.bytes(4, view(span.parent));
  m.bytes(5, clean(span.name));
  m.number(6, static_cast<uint64_t>(span.kind));
  m.fixed(7, static_cast<uint64_t>(span.start_unix_ns));
  m.fixed(8, static_cast<uint64_t>(span.end_unix_ns));
  for (const Attribute& attribute : span.attributes)
    m.message(9, key_value(attribute.key, attribute.value));
  for (const auto& [when, what] : span.events) {
    Message event;
    event.fixed(1, static_cast<uint64_t>(when));
    event.bytes(2, what);
    m.message(11, event);
  }
  if (span.failed) {
    Message status;
    status.bytes(2, clean(span.failure));
    status.number(3, 2);  // STATUS_CODE_ERROR
    m.message(15, status);
  }
  return m;
}

constexpr uint64_t kCumulative = 2;

void add_labels(Message& point, uint32_t field, const SeriesView& series) {
  for (size_t i = 0; i < series.labels.size(); ++i)
    point.message(field, key_value(series.family->labels[i], std::string(series.labels[i])));
}

Message histogram_point(const SeriesView& series, int64_t start, int64_t now) {
  HistogramSnapshot snapshot;
  series.add_histogram(snapshot);
  const std::vector<double>& bounds = series.family->bounds;
  std::vector<uint64_t> cumulative = snapshot.cumulative(bounds);
  Message point, counts, limits;
  uint64_t before = 0;
  for (uint64_t upto : cumulative) {
    counts.append_fixed(upto - before);
    before = upto;
  }
  counts.append_fixed(snapshot.count() - before);
  for (double bound : bounds)
    limits.append_fixed(std::bit_cast<uint64_t>(bound));
  point.fixed(2, static_cast<uint64_t>(start));
  point.fixed(3, static_cast<uint64_t>(now));
  point.fixed(4, snapshot.count());
  point.always_real(5, snapshot.sum());
  point.bytes(6, counts.text());
  point.bytes(7, limits.text());
  add_labels(point, 9, series);
  return point;
}

Message number_point(const SeriesView& series, int64_t start, int64_t now) {
  Message point;
  point.fixed(2, static_cast<uint64_t>(start));
  point.fixed(3, static_cast<uint64_t>(now));
  point.always_real(4, series.value());
  add_labels(point, 7, series);
  return point;
}

// In UCUM, from the unit that stands in the name.
std::string_view unit_of(std::string_view name) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  if (name.ends_with("_seconds")) return "s";
  if (name.ends_with("_bytes")) return "By";
  if (name.ends_with("_tokens")) return "{token}";
  return "";
}

}  // namespace

std::string otlp_traces(const OtlpSource& source, std::span<const Span> spans) {
  Message scope_spans;
  scope_spans.message(1, scope_of(source));
  for (const Span& span : spans)
    scope_spans.message(2, message_of(span));
  Message resource_spans, request;
  resource_spans.message(1, resource_of(source));
  resource_spans.message(2, scope_spans);
  request.message(1, resource_spans);
  return std::move(request.text());
}

std::string otlp_metrics(const OtlpSource& source, const Registry& registry, int64_t start_unix_ns,
                         int64_t now_unix_ns) {
  Message scope_metrics;
  scope_metrics.message(1, scope_of(source));
  std::vector<SeriesView> all = registry.collect();
  for (size_t i = 0; i < all.size();) {
    const FamilyInfo& family = *all[i].family;
    Message data, metric;
    for (; i < all.size() && all[i].family == &family; ++i)
      data.message(1, family.kind == Kind::kHistogram ? histogram_point(all[i], start_unix_ns, now_unix_ns)
                                                      : number_point(all[i], start_unix_ns, now_unix_ns));
    metric.bytes(1, family.name);
    metric.bytes(2, clean(family.help));
    metric.bytes(3, unit_of(family.name));
    if (family.kind != Kind::kGauge) data.number(2, kCumulative);
    if (family.kind == Kind::kCounter) data.number(3, 1);  // it only grows
    metric.message(family.kind == Kind::kHistogram ? 9 : family.kind == Kind::kCounter ? 7 : 5, data);
    scope_metrics.message(2, metric);
  }
  Message resource_metrics, request;
  resource_metrics.message(1, resource_of(source));
  resource_metrics.message(2, scope_metrics);
  request.message(1, resource_metrics);
  return std::move(request.text());
}

}  // namespace weir::telemetry
