#include "weir/app/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/mutation.h"
#include "weir/telemetry/prometheus.h"

namespace weir::app {
namespace {

constexpr size_t kLogBufferBytesMax = 4 << 20;
constexpr Duration kDrainerEnd = seconds(5);

std::string url_of(const io::Address& address, bool tls) {
  if (address.kind == io::Address::Kind::kUnix) return address.to_string();
  return (tls ? "https://" : "http://") + address.to_string();
}

store::Retention retention(const EventSettings& events) {
  return {.age_max = std::chrono::days(events.keep_days),
          .bytes_max = static_cast<uint64_t>(events.keep_bytes),
          .ledger_age_max = std::chrono::days(events.ledger_keep_days)};
}

}  // namespace

Gateway::Gateway(std::vector<io::Loop*> loops, std::shared_ptr<const Settings> settings, int cpu_count)
    : loops_(std::move(loops)), settings_(std::move(settings)), cpu_count_(cpu_count) {}

Gateway::~Gateway() {
  WEIR_ASSERT(tasks_.running() == 0);
}

Result<void> Gateway::start() {
  const Settings& settings = *settings_;
  if (settings.server.tls) {
    io::Disk& disk = loops_.front()->disk();
    TRY(std::string certificate, disk.read_file(settings.server.tls->certificate, 1 << 20));
    TRY(std::string key, disk.read_file(settings.server.tls->private_key, 1 << 20));
    tls_ = io::TlsServerOptions{std::move(certificate), std::move(key)};
  }
  if (settings.events.enabled || settings.responses.store || settings.accounts.enabled ||
      !settings.shared.redis.empty()) {
    TRY(data_, open_data_directory(settings.data.directory, *loops_.front()));
  }
  std::vector<std::string> shared_news;  // there is no log yet
  TRY(shared_,
      open_shared_database(settings.shared, [&](std::string_view text) { shared_news.emplace_back(text); }));
  pipeline::RecordMetrics record_metrics = pipeline::register_metrics(registry_);
  server::RefusalMetrics refusal_metrics = server::register_refusal_metrics(registry_);
  upstream::FailureMetrics failure_metrics = upstream::register_failure_metrics(registry_);
  pipeline::EventMetrics event_metrics = pipeline::register_event_metrics(registry_);
  store::DrainerMetrics drainer_metrics = store::register_drainer_metrics(registry_);
  store::LedgerFollowerMetrics sharing_metrics = store::register_ledger_follower_metrics(registry_);
  accounts::AccountMetrics account_metrics = accounts::register_account_metrics(registry_);
  quota::BankMetrics bank_metrics = quota::register_bank_metrics(registry_);
  OtlpExporter::Metrics otlp_metrics = OtlpExporter::register_metrics(registry_);
  Watching::Metrics watching_metrics = Watching::register_metrics(registry_);
  store::TenantFamilies tenant_families = store::register_tenant_families(registry_);
  TRY(std::optional<OtlpOptions> otlp, OtlpOptions::of(loops_.front()->processes()));
  std::shared_ptr<store::ResponseStore> responses;
  if (settings.responses.store) {
    TRY(responses, make_response_store(data_->path, loops_.front()->disk()));
  }
  // Charts are no reason not to serve: without their file the console says that there are none.
  std::shared_ptr<store::TrafficStore> traffic;
  std::string no_traffic;
  if (settings.events.enabled && settings.admin.enabled) {
    if (auto opened = make_traffic_store(data_->path, loops_.front()->disk()))
      traffic = *std::move(opened);
    else
      no_traffic = opened.error().message;
  }
  int cores = static_cast<int>(loops_.size());
  for (int k = 0; k < cores; ++k) {
    io::Loop& loop = *loops_[static_cast<size_t>(k)];
    TRY(auto log, loop.disk().open_log(settings.log.file, kLogBufferBytesMax));
    std::unique_ptr<pipeline::EventLog> events;
    if (settings.events.enabled) {
      TRY(events, open_events(k, event_metrics));
    }
    cores_.push_back(std::make_unique<Core>(
        loop, std::move(log), registry_, record_metrics, refusal_metrics, failure_metrics, std::move(events),
        [this] { return metrics_text(); }, [this] { return warnings(); }, responses, thought_pins_,
        [this](const std::string& issuer) {
          loops_.front()->post([this, issuer] { token_keys_->want(issuer); });
        },
        meters_, settings, cores));
  }
  for (const std::string& sentence : shared_news)
    log().info(sentence);
  if (settings.events.enabled) {
    if (shared_) kept_from_ = std::make_shared<std::atomic<int64_t>>(0);
    by_tenant_ = std::make_unique<store::TenantMetrics>(registry_, tenant_families);
    TRY(drainer_, make_drainer(drainer_metrics));
    if (shared_) TRY_VOID(open_shared_ledger(sharing_metrics));
  }
  TRY_VOID(begin_meters());
  TRY_VOID(open_bank(bank_metrics));
  if (settings.accounts.enabled) TRY_VOID(open_accounts(account_metrics));
  if (!no_traffic.empty()) log().error("the console has no charts", {{"error", no_traffic}});
  for (auto& core : cores_) {
    core->set_traffic(traffic);
    core->set_sign_ins(sign_ins_);
    core->set_shown_config(shown_config_);
  }
  if (traffic) {
    auto say = [this](bool bad, std::string_view sentence) {
      log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
    };
    follower_ = std::make_unique<store::TrafficFollower>(*loops_.front(), traffic, say,
                                                         store::TrafficFollower::Options{});
  }
  make_watching(traffic, watching_metrics);
  TRY_VOID(start_local_models(settings));
  for (auto& core : cores_)
    core->move_in(settings_, local_table_);

  using Listens = Core::Listens;
  auto open = [&](const std::string& text, Listens to) -> Result<void> {
    TRY(io::Address at, io::Address::parse(text));
    const io::TlsServerOptions* tls = tls_ && to != Listens::kMetrics ? &*tls_ : nullptr;
    for (auto& core : cores_) {
      if (&core != &cores_.front() && (to == Listens::kMetrics || at.kind == io::Address::Kind::kUnix)) break;
      TRY(at, core->listen(at, tls, static_cast<int>(settings.server.limits.backlog), to));
    }
    if (to == Listens::kCallers) urls_.push_back(url_of(at, tls != nullptr));
    if (to == Listens::kAdmin) admin_url_ = url_of(at, tls != nullptr);
    return {};
  };
  for (const std::string& text : settings.server.listen)
    TRY_VOID(open(text, Listens::kCallers));
  if (settings.metrics.enabled && settings.metrics.listen)
    TRY_VOID(open(*settings.metrics.listen, Listens::kMetrics));
  if (settings.admin.enabled && settings.admin.listen)
    TRY_VOID(open(*settings.admin.listen, Listens::kAdmin));
  if (settings.admin.enabled && !settings.admin.listen) admin_url_ = urls_.front();
  if (drainer_) TRY_VOID(drainer_->start());  // last: what has begun must be ended by drain()
  start_token_keys();
  if (follower_) follower_->start();
  if (sharing_) sharing_->start();
  if (otlp) start_otlp(*std::move(otlp), otlp_metrics);
  watching_->begin(tls_ ? tls_->certificate_pem : std::string_view());
  if (settings.admin.enabled || otlp_ || !settings.alerts.rules.empty() || !settings.alerts.webhooks.empty())
    watching_->start(settings);
  if (bank_) {
    std::vector<quota::Renewals*> told;
    for (auto& renewals : renewals_)
      told.push_back(renewals.get());
    bank_->start(std::move(told));
  }
  for (auto& core : cores_)
    core->start();
  if (accounts_) {
    std::vector<accounts::Accounts::Core> told;
    for (auto& core : cores_)
      told.push_back({&core->loop(), [c = core.get()](std::shared_ptr<const accounts::Directory> directory) {
                        c->authenticator().set_directory(std::move(directory));
                      }});
    accounts_->start(std::move(told));
  }
  return {};
}

Result<void> Gateway::open_accounts(const accounts::AccountMetrics& metrics) {
  io::Loop& loop = *loops_.front();
  if (!account_store_) {
    TRY(account_store_, make_account_store(shared_, data_->path, loop.disk()));
  }
  TRY(auto peppers, accounts::open_peppers(settings_->accounts.pepper, data_->path + "/pepper", loop.disk(),
                                           loop.random()));
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  accounts_ = std::make_unique<accounts::Accounts>(
      loop, account_store_, std::make_shared<const accounts::Peppers>(std::move(peppers)), meter_of(meters_),
      registry_, metrics, say,
      accounts::Accounts::Options{.poll = settings_->accounts.poll,
                                  .audit_keep = std::chrono::hours(24 * settings_->accounts.audit_days)});
  TRY(owner_key_, accounts_->begin());
  for (auto& core : cores_) {
    core->set_accounts(accounts_.get());
    core->authenticator().set_directory(accounts_->directory());
  }
  return {};
}

Result<std::unique_ptr<pipeline::EventLog>> Gateway::open_events(int k,
                                                                 const pipeline::EventMetrics& metrics) {
  auto say = [this, k](bool bad, std::string_view sentence) {
    cores_[static_cast<size_t>(k)]->log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  auto events = pipeline::EventLog::open(*loops_[static_cast<size_t>(k)], data_->ring(k), settings_->events,
                                         registry_, metrics, say);
  if (!events) return fail_internal(ErrorCode::kIo, "data.directory: " + events.error().message);
  return events;
}

Result<std::unique_ptr<store::EventDrainer>> Gateway::make_drainer(const store::DrainerMetrics& metrics) {
  io::Loop& loop = *loops_.front();
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  TRY(auto store, make_event_store(data_->path, data_->replica, loop.disk(), kept_from_));
  std::vector<store::EventDrainer::Ring> rings;
  for (size_t k = 0; k < cores_.size(); ++k)
    rings.push_back({std::to_string(k), cores_[k]->event_ring()});
  return std::make_unique<store::EventDrainer>(
      loop, std::move(store), std::move(rings),
      former_rings(*data_, static_cast<int>(cores_.size()), loop.disk(), say), registry_, metrics, say,
      store::EventDrainer::Options{.retention = retention(settings_->events),
                                   .stored = [this](const telemetry::Event& e) { by_tenant_->add(e); }});
}

void Gateway::make_watching(std::shared_ptr<store::TrafficStore> traffic, const Watching::Metrics& metrics) {
  std::vector<Core*> cores;
  for (auto& core : cores_)
    cores.push_back(core.get());
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  auto ending_keys = [this](int64_t now_ms, int64_t until_ms) {
    std::vector<alerts::EndingKey> found;
    if (!accounts_) return found;
    for (const accounts::Directory::Entry& key : accounts_->directory()->entries())
      if (key.expires_unix_ms > now_ms && key.expires_unix_ms <= until_ms && !key.suspended)
        found.push_back({key.identity.key, key.identity.name, key.identity.tenant});
    return found;
  };
  watching_ =
      std::make_unique<Watching>(*loops_.front(),
                                 Watching::Parts{.cores = std::move(cores),
                                                 .meters = meters_,
                                                 .traffic = std::move(traffic),
                                                 .accounts = accounts_ ? &accounts_->store() : nullptr,
                                                 .source = data_ ? data_->replica : "",
                                                 .keys = ending_keys},
                                 registry_, metrics, say);
  for (auto& core : cores_)
    core->set_alerts(watching_->alerts());
}

void Gateway::start_otlp(OtlpOptions options, const OtlpExporter::Metrics& metrics) {
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kWarn : LogLevel::kInfo, sentence);
  };
  if (data_) options.source.instance = data_->replica;
  for (auto& core : cores_)
    core->set_traces(options.share, [this](std::vector<telemetry::Span> spans) {
      loops_.front()->post([this, taken = std::move(spans)]() mutable { otlp_->add(std::move(taken)); });
    });
  otlp_ = std::make_unique<OtlpExporter>(*loops_.front(), std::move(options), registry_, metrics, say);
  otlp_->start();
}

void Gateway::start_token_keys() {
  auto publish = [this](const std::shared_ptr<const accounts::TokenKeys>& keys) {
    for (auto& core : cores_)
      core->loop().post([c = core.get(), keys] { c->tokens().set_keys(keys); });
  };
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kWarn : LogLevel::kInfo, sentence);
  };
  token_keys_ = std::make_unique<accounts::JwksSource>(*loops_.front(), publish, say);
  token_keys_->set_issuers(settings_->auth.issuers);
  for (auto& core : cores_)  // no loop runs yet: the first request finds them
    core->tokens().set_keys(token_keys_->keys());
}

Result<void> Gateway::open_shared_ledger(const store::LedgerFollowerMetrics& metrics) {
  io::Loop& loop = *loops_.front();
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kError : LogLevel::kInfo, sentence);
  };
  TRY(auto source, make_ledger_source(data_->path, loop.disk()));
  std::shared_ptr<store::SharedLedger> shared = make_shared_ledger(shared_);
  sharing_ = std::make_unique<store::LedgerFollower>(
      loop, std::move(source), shared, kept_from_, registry_, metrics, say,
      store::LedgerFollower::Options{.replica = data_->replica,
                                     .fold_after = std::chrono::days(settings_->events.ledger_keep_days)});
  ledger_ = std::move(shared);
  return {};
}

// Budgets go on where the last run was, killed or not: what the ledger holds, and what the rings hold that is
// not in it yet. A shared ledger is brought up to this replica's own records first.
Result<void> Gateway::begin_meters() {
  io::Loop& loop = *loops_.front();
  quota::Moment now = quota::Moment::at(loop.now(), loop.wall_now());
  store::SpentByScope spent;
  if (drainer_) {
    if (!ledger_) ledger_ = make_ledger(data_->path, loop.disk());
    TRY_VOID(drainer_->prepare());
    if (sharing_) TRY_VOID(sharing_->catch_up());
    // Replicas that lease shares of limits each tell what they spent themselves.
    bool leases = !settings_->shared.redis.empty() || shared_;
    std::shared_ptr<store::Ledger> own = leases ? make_ledger(data_->path, loop.disk()) : ledger_;
    TRY(spent, own->spent(now.day_begins_s(), now.month_begins_s()));
  }
  for (auto& core : cores_)
    core->set_ledger(ledger_);
  meters_.begin_with(std::move(spent), now);
  if (drainer_)
    drainer_->read_waiting([this](const telemetry::Event& event) {
      meters_.add_waiting(event);
      if (WEIR_MUTATE(kSettledTwice)) meters_.add_waiting(event);
    });
  return {};
}

// Before the first meter is made.
Result<void> Gateway::open_bank(const quota::BankMetrics& metrics) {
  io::Loop& loop = *loops_.front();
  TRY(auto store, make_lease_store(settings_->shared, data_ ? data_->replica : std::string(), loop));
  if (!store) return {};
  auto say = [this](bool bad, std::string_view sentence) {
    log().write(bad ? LogLevel::kWarn : LogLevel::kInfo, sentence);
  };
  bank_ = std::make_unique<quota::Bank>(loop, std::move(store), meters_, registry_, metrics, say,
                                        quota::Bank::Options{});
  for (auto& core : cores_) {
    renewals_.push_back(std::make_unique<quota::Renewals>(core->loop(), *bank_));
    core->set_renewals(renewals_.back().get());
  }
  return {};
}

// ------------------------------------------------------------------------------ local models

Result<void> Gateway::start_local_models(const Settings& settings) {
  std::vector<LocalProviderRun> runs;
  LocalModelTable table;
  for (const ProviderSettings& provider : settings.providers) {
    if (provider.kind != ProviderKind::kLocal) continue;
    std::shared_ptr<upstream::LocalModels> models;
    for (const LocalProviderRun& run : local_runs_)  // an unchanged one keeps running
      if (run.settings == provider) models = run.models;
    if (!models) {
      TRY(auto made,
          upstream::LocalModels::create(*loops_.front(), provider, cpu_count_, [this](std::string_view text) {
            if (!cores_.empty()) log().info(text);
          }));
      models = std::move(made);
    }
    table[provider.name] = models->models();
    runs.push_back({provider, std::move(models)});
  }
  // Nothing can fail from here on.
  auto runs_in = [](const std::vector<LocalProviderRun>& list, const LocalProviderRun& run) {
    return std::ranges::any_of(list, [&](const LocalProviderRun& r) { return r.models == run.models; });
  };
  for (LocalProviderRun& run : runs)
    if (!runs_in(local_runs_, run)) run.models->start();
  std::swap(local_runs_, runs);
  local_table_ = std::move(table);
  for (LocalProviderRun& run : runs)
    if (!runs_in(local_runs_, run)) tasks_.start(stop_when_unused(std::move(run.models)));
  return {};
}

// Calls under way on the version of the house before still use the models: the last one gone, they stop.
io::Task<void> Gateway::stop_when_unused(std::shared_ptr<upstream::LocalModels> models) {
  auto used = [&] {
    return std::ranges::any_of(models->models(), [](const auto& m) { return m.use_count() > 2; });  // 2: ours
  };
  while (used() && co_await io::sleep(*loops_.front(), milliseconds(100), ending_)) {
  }
  co_await models->stop();
}

io::Task<void> Gateway::stop_local_models() {
  ending_.request(io::CancelReason::kShutdown);
  for (LocalProviderRun& run : local_runs_)
    co_await run.models->stop();
  local_runs_.clear();
}

// ------------------------------------------------------------------------------------ reload

void Gateway::reload(std::shared_ptr<const Settings> settings) {
  auto needs_restart = [&](std::string_view what, bool changed) {
    if (changed) log().warn("this change of the configuration needs a restart", {{"setting", what}});
  };
  needs_restart("server.listen", settings->server.listen != settings_->server.listen);
  needs_restart("server.cores", settings->server.cores != settings_->server.cores);
  needs_restart("server.tls", settings->server.tls != settings_->server.tls);
  needs_restart("server.limits.backlog", settings->server.limits.backlog != settings_->server.limits.backlog);
  needs_restart("accounts", settings->accounts != settings_->accounts);
  needs_restart("shared", settings->shared != settings_->shared);
  needs_restart("admin.listen", settings->admin.listen != settings_->admin.listen);
  needs_restart("metrics.listen", settings->metrics.listen != settings_->metrics.listen);
  needs_restart("log.file", settings->log.file != settings_->log.file);
  needs_restart("data.directory", settings->data.directory != settings_->data.directory);
  needs_restart("events.enabled", settings->events.enabled != settings_->events.enabled);
  needs_restart("responses.store", settings->responses.store != settings_->responses.store);
  needs_restart("events.ring_bytes", settings->events.ring_bytes != settings_->events.ring_bytes);

  if (auto started = start_local_models(*settings); !started) {
    log().error("the new configuration was not taken", {{"error", started.error().message}});
    return;
  }
  watching_->configured(*settings_, *settings);
  settings_ = std::move(settings);
  if (drainer_) drainer_->set_retention(retention(settings_->events));
  token_keys_->set_issuers(settings_->auth.issuers);
  auto table = std::make_shared<const LocalModelTable>(local_table_);
  for (auto& core : cores_)
    core->loop().post([c = core.get(), s = settings_, table, shown = shown_config_] {
      c->set_shown_config(shown);
      c->move_in(s, *table);
    });
  log().info("configuration taken");
}

void Gateway::refused_configuration(std::string_view problems) {
  log().error("the configuration is broken; the one before stays in force", {{"problems", problems}});
  watching_->refused_configuration();
}

void Gateway::reopen_logs() {
  for (auto& core : cores_)
    core->loop().post([c = core.get()] { c->log().writer().reopen(); });
}

std::string Gateway::metrics_text() {
  std::string text;
  telemetry::write_prometheus(registry_, text);
  return text;
}

// The drainer is made before anybody listens and lives to the end. /ready needs no key: paths and the
// system's words stay in the log.
std::vector<std::string> Gateway::warnings() const {
  std::vector<std::string> sentences;
  if (drainer_ && !drainer_->trouble().empty())
    sentences.emplace_back("events are not stored, they wait in their rings; the log says why");
  if (sharing_ && !sharing_->trouble().empty())
    sentences.emplace_back("what is used lately is not in the shared ledger yet; the log says why");
  if (bank_)
    for (std::string& sentence : bank_->warnings())
      sentences.push_back(std::move(sentence));
  if (accounts_)
    for (std::string& sentence : accounts_->warnings())
      sentences.push_back(std::move(sentence));
  return sentences;
}

// ------------------------------------------------------------------------------------- drain

namespace {

io::Task<void> drain_core(Core& core, Duration bound, std::function<void()> done) {
  co_await core.drain(bound);
  done();
}

}  // namespace

void Gateway::drain(std::function<void()> done) {
  if (drained_) {
    for (auto& core : cores_)
      core->loop().post([c = core.get()] { c->cut(); });
    return;
  }
  drained_ = std::move(done);
  draining_ = cores_.size();
  log().info("draining");
  for (auto& core : cores_) {
    io::Loop* first = loops_.front();
    core->loop().post([this, first, c = core.get()] {
      auto finished = [this, first] {
        first->post([this] {
          if (--draining_ > 0) return;
          auto end = [](Gateway& g) -> io::Task<void> {
            co_await g.watching_->finish();
            if (g.accounts_) co_await g.accounts_->finish();
            if (g.bank_) co_await g.bank_->finish();
            if (g.follower_) co_await g.follower_->finish();
            if (g.drainer_) co_await g.drainer_->finish(kDrainerEnd);  // the rings keep what is left
            if (g.sharing_) co_await g.sharing_->finish();             // so does the file of events
            co_await g.token_keys_->finish();
            if (g.otlp_) co_await g.otlp_->finish();
            co_await g.stop_local_models();
            g.log().info("stopped");
            g.drained_();
          };
          tasks_.start(end(*this));
        });
      };
      c->drain_tasks().start(drain_core(*c, settings_->server.drain, finished));
    });
  }
}

}  // namespace weir::app
