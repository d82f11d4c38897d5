// OtlpExporter: sends spans and metrics to an OpenTelemetry collector over OTLP/HTTP (protobuf), in batches,
// from loop 0. What the collector does not take waits, bounded, and is tried again with growing pauses;
// beyond the bound the oldest go and are counted. A request never waits for it. Where and how is said by
// OpenTelemetry's own variables of the environment (docs/telemetry.md).
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/header.h"
#include "weir/base/secret.h"
#include "weir/base/settings.h"
#include "weir/http/client.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/telemetry/otlp.h"

namespace weir::app {

struct OtlpOptions {
  BaseUrl endpoint;
  std::vector<std::pair<std::string, Secret>> headers;
  telemetry::OtlpSource source;
  double share = 0.01;  // of all requests
  Duration metrics_interval = seconds(60);
  size_t spans_max = 16384;  // that wait

  /// nullopt: no endpoint is named. Errors: kConfig, with the variable's name.
  static Result<std::optional<OtlpOptions>> of(const io::Processes& processes);
};

class OtlpExporter {
 public:
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  /// Names its families; before the registry's first shard.
  struct Metrics {
    telemetry::Family<telemetry::Counter> exported, dropped;
  };
  static Metrics register_metrics(telemetry::Registry& registry);

  OtlpExporter(io::Loop& loop, OtlpOptions options, telemetry::Registry& registry, const Metrics& metrics,
               Say say);
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;
  ~OtlpExporter();

  void start();
  void add(std::vector<telemetry::Span> spans);
  /// Sends what is left, for two seconds at most.
  io::Task<void> finish();

 private:
  io::Task<void> keep_traces();
  io::Task<void> keep_metrics();
  /// The status; 0: nobody answered.
  io::Task<int> post(std::string_view path, std::string body, io::Cancel& cancel);
  io::Task<bool> send_batch(io::Cancel& cancel);
  void heard(int status);

  io::Loop& loop_;
  const OtlpOptions options_;
  const telemetry::Registry& registry_;
  telemetry::Counter exported_, dropped_;
  const Say say_;
  const int64_t start_unix_ns_;
  http::ConnectionPool pool_;
  std::deque<telemetry::Span> waiting_;
  bool failing_ = false;
  io::Event more_;
  io::Cancel ending_;
  io::Cancel giving_up_;  // after ending: what is under way then is let go, and what waits is not sent
  io::TaskGroup tasks_;
};

}  // namespace weir::app
