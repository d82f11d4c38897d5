#include "weir/app/core.h"

#include <algorithm>

#include "weir/base/mutation.h"

namespace weir::app {
namespace {

http::ServerOptions server_options(const Settings& settings, int cores) {
  const ServerSettings& s = settings.server;
  http::ServerOptions options;
  options.head = {static_cast<size_t>(s.limits.target_bytes), static_cast<size_t>(s.limits.header_bytes),
                  static_cast<size_t>(s.limits.headers)};
  options.connections_max = share_of(s.limits.connections, cores);
  options.connections_per_client =
      s.limits.connections_per_client > 0 ? share_of(s.limits.connections_per_client, cores) : 0;
  options.header_timeout = s.timeouts.header;
  options.idle_timeout = s.timeouts.idle;
  options.body_idle_timeout = s.timeouts.body;
  options.write_timeout = s.timeouts.write;
  options.body_bytes_per_s = static_cast<size_t>(s.limits.body_bytes_per_s);
  options.body_rate_span = s.timeouts.body_rate;
  return options;
}

server::Front::Scope main_scope(const Settings& settings) {
  bool elsewhere = settings.metrics.listen.has_value() || !settings.metrics.enabled;
  return elsewhere ? server::Front::Scope::kWithoutMetrics : server::Front::Scope::kAll;
}

}  // namespace

Core::Core(io::Loop& loop, std::unique_ptr<io::LogWriter> log_writer, telemetry::Registry& registry,
           pipeline::RecordMetrics record_metrics, server::RefusalMetrics refusal_metrics,
           const upstream::FailureMetrics& failure_metrics, std::unique_ptr<pipeline::EventLog> events,
           MetricsText metrics_text, Warnings warnings, std::shared_ptr<store::ResponseStore> responses,
           const Settings& settings, int cores)
    : loop_(loop),
      log_(loop, std::move(log_writer), settings.log.level),
      events_(std::move(events)),
      recorder_(
          loop, registry, record_metrics, [this](std::string_view line) { return log_.line(line); },
          events_.get()),
      metrics_text_(std::move(metrics_text)),
      warnings_(std::move(warnings)),
      responses_(std::move(responses)),
      cores_(cores),
      admission_(loop, registry, refusal_metrics),
      failure_counters_(registry, failure_metrics),
      front_(loop, main_scope(settings), admission_),
      metrics_front_(loop, server::Front::Scope::kMetricsOnly, admission_),
      server_(loop, front_, server_options(settings, cores)),
      metrics_server_(loop, metrics_front_, server_options(settings, cores)) {}

void Core::move_in(std::shared_ptr<const Settings> settings, const LocalModelTable& local_models) {
  log_.set_level(settings->log.level);
  recorder_.set_log_requests(settings->log.requests);
  if (events_) events_->set_settings(settings->events);
  front_.set_scope(main_scope(*settings));
  server_.set_options(server_options(*settings, cores_));
  admission_.set_options({share_of(settings->server.limits.requests, cores_), settings->server.limits.delay});
  CoreParts parts{loop_, parser_, recorder_, metrics_text_, warnings_, responses_, failure_counters_};
  auto house = std::make_shared<House>(parts, std::move(settings), local_models, cores_);
  front_.set_services(house);
  metrics_front_.set_services(house);
  if (house_) house_->retire();
  house_ = std::move(house);
  if (started_ && !draining_) house_->start_checks(checks_, house_);
}

void Core::start() {
  started_ = true;
  house_->start_checks(checks_, house_);
}

Result<io::Address> Core::listen(const io::Address& at, const io::TlsServerOptions* tls, int backlog,
                                 bool metrics_only) {
  io::Network::ListenOptions options;
  options.backlog = backlog;
  options.tls = tls;
  http::Server& server = metrics_only ? metrics_server_ : server_;
  TRY(auto listener, loop_.network().listen(at, options, [&server](std::unique_ptr<io::Stream> stream) {
    server.serve(std::move(stream));
  }));
  io::Address local = listener->local();
  listeners_.push_back(std::move(listener));
  return local;
}

void Core::cut() {
  server_.close_all(io::CancelReason::kShutdown);
  metrics_server_.close_all(io::CancelReason::kShutdown);
}

io::Task<void> Core::drain(Duration bound) {
  if (draining_) co_return;
  draining_ = true;
  listeners_.clear();
  front_.set_draining();
  server_.drain();
  metrics_server_.drain();

  // The bound cuts what is left; both ways end with no connection open.
  struct Bound final : io::Timer {
    explicit Bound(Core& c) : core(c) {}
    void on_timer() override {
      if (!WEIR_MUTATE(kEndlessDrain)) core.cut();
    }
    Core& core;
  } too_late(*this);
  loop_.arm(too_late, bound);
  co_await server_.tasks().idle();
  co_await metrics_server_.tasks().idle();
  if (events_) co_await events_->finish();
  if (house_) house_->retire();
  co_await checks_.idle();
}

}  // namespace weir::app
