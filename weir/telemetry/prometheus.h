// The registry in Prometheus' text exposition format 0.0.4. Reads while the cores go on; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "weir/telemetry/metrics.h"

namespace weir::telemetry {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/// Appends every family that has a series: HELP, TYPE, and its samples; histograms with their classic bounds.
void write_prometheus(const Registry& registry, std::string& out);

}  // namespace weir::telemetry
