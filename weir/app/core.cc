#include "weir/app/core.h"

#include <algorithm>

#include "weir/accounts/token_identity.h"
#include "weir/base/mutation.h"

namespace weir::app {
namespace {

constexpr int64_t kTokensRemembered = 65536;  // over all cores

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

std::vector<admin::World::TargetState> states_of(const House& house) {
  std::vector<admin::World::TargetState> all;
  for (const auto& t : house.target_states())
    all.push_back({std::string(t.provider), std::string(t.model),
                   t.state == upstream::Breaker::State::kResting,
                   t.state == upstream::Breaker::State::kTrial});
  return all;
}

}  // namespace

std::vector<admin::World::TargetState> Core::target_states() const {
  return house_ ? states_of(*house_) : std::vector<admin::World::TargetState>();
}

Core::Core(io::Loop& loop, std::unique_ptr<io::LogWriter> log_writer, telemetry::Registry& registry,
           pipeline::RecordMetrics record_metrics, server::RefusalMetrics refusal_metrics,
           const upstream::FailureMetrics& failure_metrics, std::unique_ptr<pipeline::EventLog> events,
           MetricsText metrics_text, Warnings warnings, std::shared_ptr<store::ResponseStore> responses,
           upstream::ThoughtPins& thought_pins, accounts::TokenVerifier::WantKeys want_token_keys,
           quota::MeterTable& meters, const Settings& settings, int cores)
    : loop_(loop),
      log_(loop, std::move(log_writer), settings.log.level),
      events_(std::move(events)),
      recorder_(loop, registry, record_metrics, log_.writer(), events_.get()),
      metrics_text_(std::move(metrics_text)),
      warnings_(std::move(warnings)),
      responses_(std::move(responses)),
      meters_(meters),
      cores_(cores),
      tokens_(
          loop, {.remembered = share_of(kTokensRemembered, cores)},
          [this](const accounts::TokenSubject& subject) {
            return accounts::identity_of(subject, authenticator_.directory());
          },
          std::move(want_token_keys)),
      admission_(loop, registry, refusal_metrics),
      failure_counters_(registry, failure_metrics),
      thought_pins_(thought_pins),
      authenticator_(loop),
      registry_(registry),
      live_(loop, registry, {}),
      admin_(loop),
      front_(loop, main_scope(settings), admission_),
      metrics_front_(loop, server::Front::Scope::kMetricsOnly, admission_),
      admin_front_(loop, server::Front::Scope::kAdminOnly, admission_),
      server_(loop, front_, server_options(settings, cores)),
      metrics_server_(loop, metrics_front_, server_options(settings, cores)),
      admin_server_(loop, admin_front_, server_options(settings, cores)) {
  authenticator_.set_tokens(&tokens_);
  admin_front_.set_admin(&admin_);
}

void Core::move_in(std::shared_ptr<const Settings> settings, const LocalModelTable& local_models) {
  log_.set_level(settings->log.level);
  recorder_.set_log_requests(settings->log.requests);
  if (events_) events_->set_settings(settings->events);
  front_.set_scope(main_scope(*settings));
  front_.set_admin(settings->admin.enabled && !settings->admin.listen ? &admin_ : nullptr);
  server_.set_options(server_options(*settings, cores_));
  const ServerLimits& limits = settings->server.limits;
  admission_.set_options(
      {share_of(limits.requests, cores_), limits.delay, {static_cast<size_t>(limits.waiting), limits.wait}});
  CoreParts parts{loop_,      parser_,           recorder_,     metrics_text_, warnings_, authenticator_,
                  responses_, failure_counters_, thought_pins_, tokens_,       renewals_};
  authenticator_.set_settings(settings->auth, meter_of(meters_));
  auto house = std::make_shared<House>(parts, settings, local_models, cores_);
  front_.set_services(house);
  metrics_front_.set_services(house);
  admin_front_.set_services(house);
  admin_.set_world(std::make_shared<const admin::World>(admin::World{
      .settings = std::move(settings),
      .authenticator = &authenticator_,
      .accounts = accounts_,
      .meters = &meters_,
      .ledger = ledger_,
      .shown_config = shown_config_,
      .traffic = traffic_,
      .registry = {house, &house->registry()},
      .metrics = &registry_,
      .live = &live_,
      .warnings = [house] { return house->warnings(); },
      .targets = [house] { return states_of(*house); },
      .alerts = alerts_,
      .sign_ins = sign_ins_,
  }));
  if (house_) house_->retire();
  house_ = std::move(house);
  if (started_ && !draining_) house_->start_checks(checks_, house_);
}

void Core::set_traces(double share, pipeline::TraceLog::Ship ship) {
  traces_.emplace(loop_, pipeline::TraceLog::Options{.share = share}, std::move(ship));
  recorder_.set_traces(&*traces_);
}

void Core::start() {
  started_ = true;
  house_->start_checks(checks_, house_);
}

Result<io::Address> Core::listen(const io::Address& at, const io::TlsServerOptions* tls, int backlog,
                                 Listens to) {
  io::Network::ListenOptions options;
  options.backlog = backlog;
  options.tls = tls;
  http::Server& server = to == Listens::kMetrics ? metrics_server_
                         : to == Listens::kAdmin ? admin_server_
                                                 : server_;
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
  admin_server_.close_all(io::CancelReason::kShutdown);
}

io::Task<void> Core::drain(Duration bound) {
  if (draining_) co_return;
  draining_ = true;
  listeners_.clear();
  front_.set_draining();
  live_.stop();
  server_.drain();
  metrics_server_.drain();
  admin_server_.drain();

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
  co_await admin_server_.tasks().idle();
  if (traces_) traces_->flush();
  if (events_) co_await events_->finish();
  if (house_) house_->retire();
  co_await checks_.idle();
}

}  // namespace weir::app
