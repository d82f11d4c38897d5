#include "weir/telemetry/prometheus.h"

#include <charconv>
#include <cmath>

#include "weir/base/utf8.h"

namespace weir::telemetry {
namespace {

template <class Number>
void append_chars(std::string& out, Number number) {
  char text[32];
  auto [end, error] = std::to_chars(text, text + sizeof text, number);
  out.append(text, end);
}

void append_value(std::string& out, double value) {
  if (std::isnan(value))
    out += "NaN";
  else if (std::isinf(value))
    out += value > 0 ? "+Inf" : "-Inf";
  else
    append_chars(out, value);
}

// Backslash and line feed are escaped everywhere, the quote in label values only. The format is UTF-8: what
// is not becomes U+FFFD.
void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    int n = utf8_length(p, end);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      ++p;
      continue;
    }
    if (*p == '\\')
      out += "\\\\";
    else if (*p == '\n')
      out += "\\n";
    else if (*p == '"' && in_quotes)
      out += "\\\"";
    else
      out.append(p, static_cast<size_t>(n));
    p += n;
  }
}

std::string_view type_name(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

void append_head(std::string& out, const FamilyInfo& family) {
  out.append("# HELP ").append(family.name).append(" ");
  append_escaped(out, family.help, false);
  out.append("\n# TYPE ").append(family.name).append(" ").append(type_name(family.kind)).append("\n");
}

// `a="x",b="y"`, without braces: histograms add le.
std::string label_text(const SeriesView& series) {
  std::string text;
  for (size_t i = 0; i < series.labels.size(); ++i) {
    if (i > 0) text += ',';
    text.append(series.family->labels[i]).append("=\"");
    append_escaped(text, series.labels[i], true);
    text += '"';
  }
  return text;
}

void append_name(std::string& out, const SeriesView& series, std::string_view suffix,
                 std::string_view labels) {
  out.append(series.family->name).append(suffix);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out += ' ';
}

void append_bucket(std::string& out, const SeriesView& series, std::string_view labels, double bound,
                   uint64_t count) {
  out.append(series.family->name)
      .append("_bucket{")
      .append(labels)
      .append(labels.empty() ? "le=\"" : ",le=\"");
  append_value(out, bound);
  out += "\"} ";
  append_chars(out, count);
  out += '\n';
}

void append_histogram(std::string& out, const SeriesView& series, std::string_view labels,
                      const HistogramSnapshot& snapshot) {
  const std::vector<double>& bounds = series.family->bounds;
  std::vector<uint64_t> counts = snapshot.cumulative(bounds);
  for (size_t i = 0; i < bounds.size(); ++i)
    append_bucket(out, series, labels, bounds[i], counts[i]);
  append_bucket(out, series, labels, INFINITY, snapshot.count());
  append_name(out, series, "_sum", labels);
  append_value(out, snapshot.sum());
  out += '\n';
  append_name(out, series, "_count", labels);
  append_chars(out, snapshot.count());
  out += '\n';
}

}  // namespace

void write_prometheus(const Registry& registry, std::string& out) {
  const FamilyInfo* family = nullptr;
  HistogramSnapshot snapshot;
  for (const SeriesView& series : registry.collect()) {
    if (series.family != family) append_head(out, *series.family);
    family = series.family;
    std::string labels = label_text(series);
    if (family->kind == Kind::kHistogram) {
      snapshot.clear();
      series.add_histogram(snapshot);
      append_histogram(out, series, labels, snapshot);
      continue;
    }
    append_name(out, series, "", labels);
    append_value(out, series.value());
    out += '\n';
  }
}

}  // namespace weir::telemetry
