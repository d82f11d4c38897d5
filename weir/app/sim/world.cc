#include "weir/app/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <utility>

#include "weir/app/sim/audit.h"

namespace weir::app::sim {
namespace {

constexpr Duration kTick = milliseconds(50);
constexpr Duration kStartAgain =
    milliseconds(200);  // what a supervisor waits before it starts a process again

// One direction of a connection holds a window; more would be a buffer nobody bounds.
constexpr size_t kConnectionBytesMax = 64 * 1024;

// After so long without work everything is in the store.
constexpr Duration kStoreRests = milliseconds(300);

// Of all series of one metric in Prometheus' text.
double sum_of(std::string_view text, std::string_view name) {
  double sum = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name) || (line[name.size()] != ' ' && line[name.size()] != '{')) continue;
    sum += std::strtod(std::string(line.substr(line.rfind(' ') + 1)).c_str(), nullptr);
  }
  return sum;
}

}  // namespace

World::World(uint64_t seed, Trace trace)
    : plan_(draw_plan(seed)),
      universe_(io::sim::Universe::create(seed, plan_.faults)),
      troubles_(plan_),
      ledger_(*universe_, troubles_),
      frames_before_(universe_->census().frames),
      start_(universe_->now()) {
  if (trace) universe_->on_trace(std::move(trace));
  say(fmt::format("seed {}: {}", seed, plan_.summary()));
}

World::~World() = default;

// ------------------------------------------------------------------------------------- the life of a world

Report World::run() {
  build();
  for (const PlannedBlow& blow : plan_.blows)
    universe_->at(blow.at, [this, &blow] {
      if (!healed_) strike(blow);
    });
  if (accounts_) accounts_->begin();
  universe_->at(kTick, [this] { tick(); });

  auto failed = [this] { return !ledger_.violation().empty(); };
  universe_->run_until(failed, plan_.traffic);
  say("the clients stop");
  for (auto& client : clients_)
    client->stop();
  heal();
  const Limits& l = plan_.limits;
  // Nobody waits for longer than all of its timers, one after the other, four times over a connection.
  Duration rest = 4 * (l.header + l.body + l.connect + l.total + 3 * l.write) + l.drain + seconds(10);
  if (wait("the clients to end", rest, [&] { return client_tasks_.running() == 0; }) &&
      wait("every process to run", seconds(60), [&] { return all_well(); }))
    probe();
  finish();

  Report report;
  report.violation = ledger_.violation();
  report.virtual_time = universe_->now() - start_;
  report.gateway_time = report.virtual_time * static_cast<int64_t>(plan_.replicas);
  report.requests = ledger_.requests();
  report.records = records_;
  report.events = universe_->events();
  report.asked = ledger_.asked();
  report.asked_again = ledger_.asked_again();
  report.outcomes = ledger_.outcomes();
  for (size_t b = 0; b < kBlows; ++b)
    if (struck_[b] > 0) report.blows[std::string(name(static_cast<Blow>(b)))] = struck_[b];
  if (accounts_ && accounts_->revocations() > 0) report.blows["revocation"] = accounts_->revocations();
  for (const auto& client : clients_)
    for (const auto& [mood, count] : client->moods())
      report.moods[mood] += count;
  return report;
}

void World::build() {
  if (plan_.accounts.keys > 0) {
    accounts_.emplace(*universe_, plan_);
    ledger_.use_accounts(&*accounts_);
  }
  io::sim::Faults faults = std::exchange(universe_->faults(), {});  // the machines are set up on a good day
  for (size_t i = 0; i < plan_.models; ++i) {
    auto& machine = universe_->add_machine(fmt::format("model-{}", i), model_host(i), 1);
    models_.push_back(std::make_unique<ModelServer>(*universe_, machine, ledger_.watcher(i)));
    start_model(i);
  }
  for (size_t i = 0; i < plan_.replicas; ++i) {
    auto& machine = universe_->add_machine(fmt::format("weir-{}", i), replica_host(i), plan_.loops);
    replicas_.push_back(
        {std::make_unique<Replica>(*universe_, machine, accounts_ ? accounts_->store(i) : nullptr), 0,
         false});
    for (const char* directory : {"/var/log", "/etc/weir"})
      WEIR_ASSERT(machine.disk().make_directory(directory, 0755));
    write_configuration(i, false);
    start_replica(i);
  }
  universe_->faults() = faults;
  for (size_t i = 0; i < plan_.client_machines; ++i) {
    client_machines_.push_back(&universe_->add_machine(fmt::format("clients-{}", i), client_host(i), 1));
    client_loops_.push_back(client_machines_.back()->boot().front());
  }
  for (size_t i = 0; i < plan_.clients; ++i) {
    io::Loop& loop = *client_loops_[i % client_loops_.size()];
    clients_.push_back(std::make_unique<Client>(loop, *universe_, plan_, ledger_, universe_->chance().next(),
                                                fmt::format("client-{}", i),
                                                accounts_ ? &*accounts_ : nullptr));
    client_tasks_.start(clients_.back()->run());
  }
}

// What is looked at all the time.
void World::tick() {
  if (!ticking_) return;
  ledger_.check();
  if (size_t most = universe_->census().largest_buffer_bytes; most > kConnectionBytesMax)
    ledger_.violated(fmt::format("a connection held {} bytes", most));
  universe_->at(kTick, [this] { tick(); });
}

bool World::wait(std::string_view what, Duration limit, const std::function<bool()>& done) {
  say(fmt::format("waits for {}", what));
  if (universe_->run_until(done, limit)) return true;
  ledger_.violated(fmt::format("waited {:.1f} s in vain for {}", to_seconds(limit), what));
  return false;
}

// ------------------------------------------------------------------------------------------- processes

void World::write_configuration(size_t i, bool broken) {
  Upstart& u = replicas_[i];
  std::string text = configuration(plan_, i, u.version);
  if (broken) text += "models:\n  - { name: \n";
  // On a full or failing disk it does not get there: the operator tries again, at the latest in heal().
  [[maybe_unused]] auto written =
      u.replica->machine().disk().write_file(std::string(kConfigPath), text, 0600);
}

void World::start_replica(size_t i) {
  Upstart& u = replicas_[i];
  u.starting = false;
  if (u.replica->running()) return;
  auto started = u.replica->start();
  if (started) {
    troubles_.replica(i).end(universe_->now());
    if (u.replica->running()) troubles_.started(i);
    return;
  }
  say(fmt::format("weir-{} does not start: {}", i, started.error().message));
  troubles_.replica(i).begin(universe_->now());
  u.starting = true;
  universe_->at(kStartAgain, [this, i] { start_replica(i); });
}

void World::start_model(size_t i) {
  if (models_[i]->running()) return;
  auto started = models_[i]->start();
  if (!started)
    return ledger_.violated(fmt::format("model-{} does not start: {}", i, started.error().message));
  troubles_.model(i).end(universe_->now());
}

// ----------------------------------------------------------------------------------------------- blows

void World::strike(const PlannedBlow& blow) {
  MonoTime now = universe_->now();
  size_t i = blow.whom;
  auto count = [&] { ++struck_[static_cast<size_t>(blow.blow)]; };
  auto later = [&](std::move_only_function<void()> what) { universe_->at(blow.lasts, std::move(what)); };
  switch (blow.blow) {
    case Blow::kKill:
    case Blow::kPowerCut: {
      Upstart& u = replicas_[i];
      if (!u.replica->alive()) return;
      end_replica(i, blow.blow == Blow::kPowerCut);
      later([this, i] { start_replica(i); });
      return count();
    }
    case Blow::kDieWriting:
    case Blow::kCutWriting:
      die_writing(blow);
      return count();
    case Blow::kKillModel:
    case Blow::kPowerCutModel:
      if (!models_[i]->running()) return;
      troubles_.model(i).begin(now);
      ledger_.forget_calls(i);
      models_[i]->kill(blow.blow == Blow::kPowerCutModel);
      later([this, i] { start_model(i); });
      return count();
    case Blow::kPartition: {
      if (troubles_.network().open()) return;
      io::sim::Machine* other = blow.other < models_.size() ? &models_[blow.other]->machine()
                                                            : client_machines_[blow.other - models_.size()];
      troubles_.network().begin(now);
      universe_->partition(replicas_[i].replica->machine(), *other, blow.one_way);
      later([this, i, other] {
        universe_->heal(replicas_[i].replica->machine(), *other);
        troubles_.network().end(universe_->now());
      });
      return count();
    }
    case Blow::kClockJump:
      replicas_[i].replica->machine().jump_clock(seconds(blow.amount));
      return count();
    case Blow::kDiskFull:
      troubles_.disk().begin(now);
      replicas_[i].replica->machine().limit_disk(0);
      later([this, i] {
        replicas_[i].replica->machine().limit_disk(std::nullopt);
        troubles_.disk().end(universe_->now());
      });
      return count();
    case Blow::kReload:
    case Blow::kBrokenReload: {
      bool broken = blow.blow == Blow::kBrokenReload;
      replicas_[i].version += broken ? 0 : 1;
      write_configuration(i, broken);
      if (blow.one_way && replicas_[i].replica->running()) replicas_[i].replica->reload();
      if (broken) later([this, i] { write_configuration(i, false); });
      return count();
    }
    case Blow::kRestart: {
      Upstart& u = replicas_[i];
      if (!u.replica->running()) return;
      troubles_.replica(i).begin(now);
      u.starting = true;
      u.replica->drain([this, i, now] {
        Duration took = universe_->now() - now, bound = drain_bound(now);
        if (took > bound)
          ledger_.violated(fmt::format("weir-{} took {:.3f} s to drain", i, to_seconds(took)));
        start_replica(i);
      });
      return count();
    }
    case Blow::kSickModel: {
      if (troubles_.sick(i).open()) return;
      troubles_.sick(i).begin(now);
      std::string fault = blow.fault == "status"
                              ? fmt::format(R"("status":{})", blow.amount % 2 ? 500 : 429)
                              : fmt::format(R"("fault":"{}","after":{})", blow.fault, blow.amount);
      say(fmt::format("model-{} falls sick: {}", i, fault));
      models_[i]->sicken(fmt::format(R"({{{},"times":2000}})", fault));
      later([this, i] {
        models_[i]->sicken({});
        troubles_.sick(i).end(universe_->now());
      });
      return count();
    }
    case Blow::kThrottle: {
      troubles_.throttled().begin(now);
      universe_->throttle(*client_machines_[i], static_cast<uint64_t>(blow.amount));
      later([this, i] {
        universe_->throttle(*client_machines_[i], 0);
        troubles_.throttled().end(universe_->now());
      });
      return count();
    }
  }
}

void World::end_replica(size_t i, bool power_cut) {
  troubles_.replica(i).begin(universe_->now());
  troubles_.died(i, universe_->now(), power_cut);
  replicas_[i].starting = true;
  replicas_[i].replica->kill(power_cut);
}

// The machine ends at once, inside of whatever the process does; its objects are told a moment later.
void World::die_writing(const PlannedBlow& blow) {
  size_t i = blow.whom;
  io::sim::Machine& machine = replicas_[i].replica->machine();
  machine.on_disk_change([this, i, &machine, left = blow.amount, blow]() mutable {
    if (left-- > 0 || !machine.running()) return;
    bool power_cut = blow.blow == Blow::kCutWriting;
    left = std::numeric_limits<int64_t>::max();
    say(fmt::format("weir-{} dies while it writes", i));
    troubles_.replica(i).begin(universe_->now());
    troubles_.died(i, universe_->now(), power_cut);
    power_cut ? machine.power_cut() : machine.kill();
    universe_->at({}, [this, i, power_cut, blow] {
      replicas_[i].replica->machine().on_disk_change({});
      if (!replicas_[i].replica->alive()) return;  // it died while it started
      replicas_[i].starting = true;
      replicas_[i].replica->kill(power_cut);
      universe_->at(blow.lasts, [this, i] { start_replica(i); });
    });
  });
}

// --------------------------------------------------------------------------------------------- the end

// Everything that was done is undone: whatever does not work from here on is weir's fault.
void World::heal() {
  say("everything is healed");
  healed_ = true;
  MonoTime now = universe_->now();
  io::sim::Faults calm;
  calm.latency_min = plan_.faults.latency_min;
  calm.latency_max = plan_.faults.latency_max;
  universe_->faults() = calm;
  universe_->heal_all();
  if (accounts_) accounts_->heal();
  troubles_.network().end(now);
  troubles_.throttled().end(now);
  troubles_.disk().end(now);
  for (auto* machine : client_machines_)
    universe_->throttle(*machine, 0);
  for (size_t i = 0; i < models_.size(); ++i) {
    models_[i]->sicken({});
    troubles_.sick(i).end(now);
  }
  for (size_t i = 0; i < replicas_.size(); ++i) {
    replicas_[i].replica->machine().limit_disk(std::nullopt);
    replicas_[i].replica->machine().on_disk_change({});
    write_configuration(i, false);
  }
}

bool World::all_well() const {
  return std::ranges::all_of(replicas_,
                             [](const Upstart& u) { return u.replica->running() && u.replica->clean(); }) &&
         std::ranges::all_of(models_, [](const auto& m) { return m->running() && m->clean(); });
}

// A healed world answers: every replica, every model, after at most one failure each (a connection that died
// without a word is found out by using it).
void World::probe() {
  Client& client = *clients_.front();
  // Idle connections whose other end died unheard are closed by the pools' own clock, or found dead by a
  // call.
  universe_->run_for(plan_.slack());
  // A store that failed is tried again after up to five seconds.
  if (troubles_.disks_fail(universe_->now())) universe_->run_for(seconds(6));
  for (size_t i = 0; i < replicas_.size() && ledger_.violation().empty(); ++i) {
    for (std::string model : {"chat", "last"}) {
      client_tasks_.start(client.probe(i, model));
      if (!wait("a probe", seconds(60), [&] { return client_tasks_.running() == 0; })) return;
      universe_->run_for(plan_.slack());  // its connection is gone: there may be room for one only
    }
    probe_revoked(i);
    check_metrics(i);
  }
}

// Revoked stays revoked, over every crash and start.
void World::probe_revoked(size_t i) {
  std::string key = accounts_ ? accounts_->revoked_key() : std::string();
  if (key.empty()) return;
  if (i == 0) universe_->run_for(accounts_->bound());
  client_tasks_.start(clients_.front()->probe_revoked(i, key));
  if (!wait("a probe", seconds(60), [&] { return client_tasks_.running() == 0; })) return;
  universe_->run_for(plan_.slack());
}

// A replica without work says so, and its counts of requests and of records are the same.
void World::check_metrics(size_t i) {
  universe_->run_for(kStoreRests);
  for (const char* path : {"/ready", "/metrics"}) {
    std::string text;
    client_tasks_.start(clients_.front()->fetch(i, path, text));
    if (!wait(path, seconds(60), [&] { return client_tasks_.running() == 0; })) return;
    universe_->run_for(plan_.slack());
    if (text.empty()) return ledger_.violated(fmt::format("weir-{} does not answer {}", i, path));
    if (std::string_view(path) == "/ready") continue;
    auto value = [&](std::string_view name) { return sum_of(text, name); };
    auto zero = [&](std::string_view name) {
      if (value(name) != 0)
        ledger_.violated(fmt::format("weir-{} rests, but {} is {}", i, name, value(name)));
    };
    zero("weir_requests_in_flight");
    zero("weir_events_waiting");
    double requests = value("weir_requests_total"), events = value("weir_events_total");
    double dropped = value("weir_events_dropped_total");
    // Asking again keeps to its budget: a fifth of the requests and two a second, on each core.
    double most = 0.2 * requests + 2.0 * plan_.loops * (to_seconds(universe_->now() - start_) + 1);
    if (double retries = value("weir_upstream_retries_total"); retries > most)
      ledger_.violated(fmt::format("weir-{} asked again {} times for {} requests", i, retries, requests));
    if (requests != events + dropped)
      ledger_.violated(fmt::format("weir-{} counts {} requests, {} records and {} lost ones", i, requests,
                                   events, dropped));
    note_spent(i, dropped > 0);
  }
}

// Nothing is under way: what was reserved is settled.
void World::note_spent(size_t i, bool dropped) {
  Upstart& u = replicas_[i];
  u.spent_tokens = 0;
  u.dropped = dropped;
  for (const quota::Meter::BudgetView& view : u.replica->budgets()) {
    *u.spent_tokens += view.spent_tokens;
    if (view.reserved_tokens != 0)
      ledger_.violated(fmt::format("weir-{} rests, but {} tokens are reserved", i, view.reserved_tokens));
    if (view.spent_tokens > *view.budget.tokens) ledger_.violated(fmt::format("weir-{} passed a budget", i));
  }
}

void World::check_spent(size_t i, const std::vector<Record>& records) {
  int64_t recorded = 0;
  for (const Record& r : records)
    recorded += r.tokens;
  auto summed = ledger_tokens(replicas_[i].replica->machine().disk());
  if (!summed) return ledger_.violated(fmt::format("the ledger of weir-{}: {}", i, summed.error().message));
  if (*summed != recorded)
    return ledger_.violated(
        fmt::format("the ledger of weir-{} has {} tokens, its records {}", i, *summed, recorded));
  const Upstart& u = replicas_[i];
  if (!u.spent_tokens || (u.dropped && *u.spent_tokens >= recorded)) return;
  if (*u.spent_tokens != recorded)
    ledger_.violated(fmt::format("the budgets of weir-{} have counted {} tokens, its records {}", i,
                                 *u.spent_tokens, recorded));
}

void World::finish() {
  // A world with a violation is not waited for: it is cut down.
  bool failed = !ledger_.violation().empty();
  size_t draining = 0;
  for (Upstart& u : replicas_) {
    if (!u.replica->running()) continue;
    ++draining;
    u.replica->drain([&draining] { --draining; });
    if (failed) u.replica->kill(false);
  }
  Duration bound = drain_bound(universe_->now()) + seconds(5);
  auto clean = [&] {
    return (draining == 0 || failed) &&
           std::ranges::all_of(replicas_, [](const Upstart& u) { return u.replica->clean(); });
  };
  bool ended = wait("the replicas to end", bound, clean);
  ticking_ = false;
  for (auto& model : models_)
    if (model->running()) model->stop();
  ended = wait("the model servers to end", bound,
               [&] { return std::ranges::all_of(models_, [](const auto& m) { return m->clean(); }); }) &&
          ended;
  ended = wait("the clients to end", seconds(120), [&] { return client_tasks_.running() == 0; }) && ended;
  if (failed || !ended) return;
  check_nothing_left();
  std::vector<Record> records;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    auto read = read_records(i, plan_.loops, replicas_[i].replica->machine().disk());
    if (!read) return ledger_.violated(fmt::format("the records of weir-{}: {}", i, read.error().message));
    check_spent(i, *read);
    std::ranges::move(*read, std::back_inserter(records));
  }
  records_ = records.size();
  audit(ledger_, troubles_, records);
}

Duration World::drain_bound(MonoTime since) const {
  // Cut answers end at once; what the store does on a disk that works is a matter of milliseconds.
  Duration stores = troubles_.disks_fail(since) ? Duration(seconds(12)) : kStoreRests;
  return plan_.limits.drain + plan_.slack() + plan_.sync_bound() + stores;
}

void World::check_nothing_left() {
  io::sim::Census left = universe_->census();
  auto none = [&](std::string_view what, size_t count) {
    if (count > 0) ledger_.violated(fmt::format("{} {} are left at the end", count, what));
  };
  none("streams", left.streams);
  none("listeners", left.listeners);
  none("timers", left.timers);
  none("jobs", left.jobs);
  if (left.frames != frames_before_)
    ledger_.violated(fmt::format("{} coroutine frames are left at the end", left.frames - frames_before_));
}

}  // namespace weir::app::sim
