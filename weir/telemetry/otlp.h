// What OpenTelemetry's collectors take: spans and metrics as the protobuf messages of OTLP 1, written by hand
// (opentelemetry/proto/{trace,metrics,collector}/v1; fields by number, in any order a decoder takes). Pure:
// values in, bytes out.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "weir/telemetry/metrics.h"

namespace weir::telemetry {

struct Attribute {
  std::string_view key;  // a literal
  std::variant<std::string, int64_t, double, bool> value;
};

struct Span {
  enum class Kind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };
  std::array<uint8_t, 16> trace{};
  std::array<uint8_t, 8> id{};
  std::array<uint8_t, 8> parent{};  // zeros: none
  std::string name;
  Kind kind = Kind::kInternal;
  int64_t start_unix_ns = 0, end_unix_ns = 0;
  std::vector<Attribute> attributes;
  std::vector<std::pair<int64_t, std::string_view>> events;  // when, what (a literal)
  bool failed = false;
  std::string failure;  // what is said of it
};

/// Who speaks: the resource of every message.
struct OtlpSource {
  std::string service = "weir";
  std::string version;
  std::string instance;
};

/// An ExportTraceServiceRequest.
std::string otlp_traces(const OtlpSource& source, std::span<const Span> spans);

/// An ExportMetricsServiceRequest of everything counted since `start_unix_ns`, cumulative.
std::string otlp_metrics(const OtlpSource& source, const Registry& registry, int64_t start_unix_ns,
                         int64_t now_unix_ns);

}  // namespace weir::telemetry
