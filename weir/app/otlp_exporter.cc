#include "weir/app/otlp_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "weir/base/assert.h"

namespace weir::app {
namespace {

constexpr size_t kBatchSpans = 512;
constexpr Duration kPauseMin = seconds(1);
constexpr Duration kPauseMax = seconds(30);
constexpr Duration kPostMax = seconds(10);
constexpr Duration kFinishMax = seconds(2);
constexpr size_t kAnswerBytesMax = 64 << 10;

http::ClientOptions client_options(const BaseUrl& url) {
  http::ClientOptions options;
  options.address = {io::Address::Kind::kTcp, url.host, url.port};
  options.connect.tls = url.scheme == BaseUrl::Scheme::kHttps;
  options.connect.tls_options.server_name = url.host;
  options.connections_max = 2;
  return options;
}

bool may_be_tried_again(int status) {
  return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

Result<double> number_of(std::string_view variable, std::string_view text, double min, double max) {
  double number = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || !(number >= min && number <= max))
    return fail_internal(ErrorCode::kConfig,
                         fmt::format("{} must be a number from {} to {}", variable, min, max));
  return number;
}

bool is_sendable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

}  // namespace

Result<std::optional<OtlpOptions>> OtlpOptions::of(const io::Processes& processes) {
  std::string endpoint = processes.environment("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (endpoint.empty() || processes.environment("OTEL_SDK_DISABLED") == "true") return std::nullopt;
  OtlpOptions options;
  auto url = BaseUrl::parse(endpoint);
  if (!url || url->scheme == BaseUrl::Scheme::kUnix)
    return fail_internal(ErrorCode::kConfig,
                         "OTEL_EXPORTER_OTLP_ENDPOINT must be http(s)://host[:port][/path]");
  options.endpoint = *std::move(url);
  if (std::string protocol = processes.environment("OTEL_EXPORTER_OTLP_PROTOCOL");
      !protocol.empty() && protocol != "http/protobuf")
    return fail_internal(ErrorCode::kConfig, "OTEL_EXPORTER_OTLP_PROTOCOL: weir speaks http/protobuf");
  std::string headers = processes.environment("OTEL_EXPORTER_OTLP_HEADERS");
  for (std::string_view rest = headers; !rest.empty();) {
    std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || !is_sendable(pair) || pair.contains(' '))
      return fail_internal(ErrorCode::kConfig, "OTEL_EXPORTER_OTLP_HEADERS must be name=value,name=value");
    options.headers.emplace_back(pair.substr(0, equals), Secret(pair.substr(equals + 1)));
  }
  if (std::string name = processes.environment("OTEL_SERVICE_NAME"); !name.empty())
    options.source.service = name;
  options.source.version = WEIR_VERSION;
  if (std::string share = processes.environment("OTEL_TRACES_SAMPLER_ARG"); !share.empty()) {
    TRY(options.share, number_of("OTEL_TRACES_SAMPLER_ARG", share, 0, 1));
  }
  if (std::string ms = processes.environment("OTEL_METRIC_EXPORT_INTERVAL"); !ms.empty()) {
    TRY(double interval, number_of("OTEL_METRIC_EXPORT_INTERVAL", ms, 100, 86'400'000));
    options.metrics_interval = milliseconds(static_cast<int64_t>(interval));
  }
  return options;
}

OtlpExporter::Metrics OtlpExporter::register_metrics(telemetry::Registry& registry) {
  return {registry.add_counter("weir_otlp_spans_exported_total", "Spans that the collector took."),
          registry.add_counter("weir_otlp_spans_dropped_total",
                               "Spans that it did not take in time, or refused.")};
}

OtlpExporter::OtlpExporter(io::Loop& loop, OtlpOptions options, telemetry::Registry& registry,
                           const Metrics& metrics, Say say)
    : loop_(loop),
      options_(std::move(options)),
      registry_(registry),
      say_(std::move(say)),
      start_unix_ns_(loop.wall_now().unix_ns),
      pool_(loop, client_options(options_.endpoint)) {
  telemetry::Shard& shard = registry.add_shard();
  exported_ = shard.series(metrics.exported, {});
  dropped_ = shard.series(metrics.dropped, {});
}

OtlpExporter::~OtlpExporter() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void OtlpExporter::start() {
  tasks_.start(keep_traces());
  tasks_.start(keep_metrics());
}

void OtlpExporter::add(std::vector<telemetry::Span> spans) {
  for (telemetry::Span& span : spans)
    waiting_.push_back(std::move(span));
  while (waiting_.size() > options_.spans_max) {
    waiting_.pop_front();
    dropped_.add();
  }
  more_.notify();
}

void OtlpExporter::heard(int status) {
  bool bad = status < 200 || status > 299;
  if (bad && !failing_)
    say_(true, status == 0 ? std::string("the OpenTelemetry collector can not be reached")
                           : fmt::format("the OpenTelemetry collector answers {}", status));
  if (!bad && failing_) say_(false, "the OpenTelemetry collector takes what it is sent again");
  failing_ = bad;
}

io::Task<int> OtlpExporter::post(std::string_view path, std::string body, io::Cancel& cancel) {
  io::Cancel scope(cancel);
  io::Timeout too_long(scope, io::CancelReason::kTotalTimeout);
  loop_.arm(too_long, kPostMax);
  const BaseUrl& url = options_.endpoint;
  std::string head = fmt::format(
      "POST {}{} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: weir/" WEIR_VERSION
      "\r\nContent-Type: application/x-protobuf\r\nAccept-Encoding: identity\r\nContent-Length: {}\r\n",
      url.path, path, url.host, url.port, body.size());
  for (const auto& [name, value] : options_.headers)
    head.append(name).append(": ").append(value.reveal()).append("\r\n");
  head.append("\r\n");
  http::ClientCall call(pool_);
  std::string_view pieces[] = {head, body};
  auto sent = co_await call.send("POST", pieces, {kPostMax, kPostMax, kPostMax}, scope);
  if (!sent) co_return 0;
  int status = call.head().status;
  // To its end, so that the connection can be used again.
  for (size_t read = 0; read < kAnswerBytesMax && !scope.requested();) {
    http::BodyReader::Piece piece = call.body().take();
    read += piece.bytes.size();
    if (piece.state == http::BodyReader::State::kNothing)
      co_await call.body().inbox().more(scope);
    else if (piece.state != http::BodyReader::State::kData)
      break;
  }
  co_return status;
}

// False: it waits, to be tried again.
io::Task<bool> OtlpExporter::send_batch(io::Cancel& cancel) {
  size_t count = std::min(waiting_.size(), kBatchSpans);
  std::vector<telemetry::Span> batch(
      std::make_move_iterator(waiting_.begin()),
      std::make_move_iterator(waiting_.begin() + static_cast<ptrdiff_t>(count)));
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(count));
  int status = co_await post("/v1/traces", telemetry::otlp_traces(options_.source, batch), cancel);
  heard(status);
  if (status >= 200 && status <= 299) {
    exported_.add(static_cast<double>(count));
    co_return true;
  }
  if (!may_be_tried_again(status)) {
    dropped_.add(static_cast<double>(count));
    co_return true;
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()),
                  std::make_move_iterator(batch.end()));
  co_return false;
}

io::Task<void> OtlpExporter::keep_traces() {
  Duration pause = kPauseMin;
  while (!ending_.requested()) {
    if (waiting_.empty()) {
      co_await more_.wait(ending_);
      continue;
    }
    // Not ended with the rest: the collector may have taken it, and would get it twice.
    if (co_await send_batch(giving_up_)) {
      pause = kPauseMin;
      continue;
    }
    co_await io::sleep(loop_, pause, ending_);
    pause = std::min(2 * pause, kPauseMax);
  }
}

io::Task<void> OtlpExporter::keep_metrics() {
  while (co_await io::sleep(loop_, options_.metrics_interval, ending_))
    heard(co_await post(
        "/v1/metrics",
        telemetry::otlp_metrics(options_.source, registry_, start_unix_ns_, loop_.wall_now().unix_ns),
        ending_));
}

io::Task<void> OtlpExporter::finish() {
  io::Timeout too_long(giving_up_, io::CancelReason::kShutdown);
  loop_.arm(too_long, kFinishMax);
  ending_.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
  while (!waiting_.empty() && !giving_up_.requested() && co_await send_batch(giving_up_)) {
  }
  if (!waiting_.empty()) say_(true, fmt::format("{} spans were not sent", waiting_.size()));
  pool_.retire();
}

}  // namespace weir::app
