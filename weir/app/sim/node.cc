#include "weir/app/sim/node.h"

#include <algorithm>

#include "weir/app/config_file.h"
#include "weir/app/sim/plan.h"

namespace weir::app::sim {

// ---------------------------------------------------------------------------------------- replica

Replica::~Replica() {
  WEIR_ASSERT(!live_ && dead_.empty());
}

Result<void> Replica::start() {
  std::vector<io::Loop*> loops = machine_.boot();
  io::Loop& first = *loops.front();
  auto process = std::make_unique<Process>();
  Result<void> started;
  auto settings = load_settings(std::string(kConfigPath), first.disk(), first.processes());
  if (settings) {
    process->gateway = std::make_unique<Gateway>(loops, *settings, first.processes().cpu_count());
    process->gateway->use_account_store(accounts_);
    started = process->gateway->start();
  } else {
    started = Unexpected(settings.error());
  }
  if (!started) {
    process.reset();
    machine_.kill();
    if (dead_.empty()) machine_.bury();
    return started;
  }
  process->watch.emplace(first, *process->gateway, std::string(kConfigPath));
  live_ = std::move(process);
  draining_ = false;
  return {};
}

std::vector<quota::Meter::BudgetView> Replica::budgets() const {
  WEIR_ASSERT(live_);
  std::vector<quota::Meter::BudgetView> views;
  quota::Moment never{};  // no period may end by this look
  for (const auto& meter : live_->gateway->meters().with_budgets(never, 1000))
    for (const quota::Meter::BudgetView& view : meter->budgets(never))
      views.push_back(view);
  return views;
}

// The objects of a dead process are destroyed outside of their own calls.
void Replica::bury(Process* process) {
  std::erase_if(dead_, [&](const auto& p) { return p.get() == process; });
  if (dead_.empty()) machine_.bury();
}

void Replica::kill(bool power_cut) {
  WEIR_ASSERT(live_);
  if (machine_.running()) power_cut ? machine_.power_cut() : machine_.kill();
  Process* process = live_.get();
  dead_.push_back(std::move(live_));
  process->watch.reset();
  if (!draining_) {
    process->gateway->drain([this, process] { universe_.at({}, [this, process] { bury(process); }); });
    process->gateway->drain({});
  } else {
    process->gateway->drain({});  // its own end is under way: cut short
  }
  draining_ = false;
}

void Replica::drain(std::function<void()> ended) {
  WEIR_ASSERT(running());
  draining_ = true;
  Process* process = live_.get();
  process->watch.reset();
  process->gateway->drain([this, process, ended = std::move(ended)] {
    universe_.at({}, [this, process, ended] {
      if (live_.get() != process) return bury(process);  // it was killed meanwhile
      live_.reset();
      draining_ = false;
      machine_.kill();  // the process has ended: whatever it still held is closed by the system
      if (dead_.empty()) machine_.bury();
      ended();
    });
  });
}

// ----------------------------------------------------------------------------------- model server

ModelServer::~ModelServer() {
  WEIR_ASSERT(!live_ && dead_.empty());
}

Result<void> ModelServer::start() {
  io::Loop& loop = *machine_.boot().front();
  auto process = std::make_unique<Process>();
  process->mock = std::make_unique<MockServer>(loop, &watcher_);
  WEIR_ASSERT(process->mock->set_plan(plan_));
  http::ServerOptions options;
  options.connections_max = 100'000;
  process->server = std::make_unique<http::Server>(loop, *process->mock, options);
  auto listener = loop.network().listen(
      {io::Address::Kind::kTcp, std::string(machine_.host()), kModelPort}, {},
      [server = process->server.get()](std::unique_ptr<io::Stream> s) { server->serve(std::move(s)); });
  if (!listener) return Unexpected(listener.error());
  process->listener = *std::move(listener);
  live_ = std::move(process);
  return {};
}

void ModelServer::sicken(const std::string& script) {
  plan_ = R"({"next":[)" + script + "]}";
  if (live_) WEIR_ASSERT(live_->mock->set_plan(plan_));
}

void ModelServer::kill(bool power_cut) {
  WEIR_ASSERT(live_);
  power_cut ? machine_.power_cut() : machine_.kill();
  end();
}

void ModelServer::stop() {
  WEIR_ASSERT(live_);
  end();
}

void ModelServer::end() {
  Process* process = live_.get();
  dead_.push_back(std::move(live_));
  process->listener.reset();
  process->server->close_all(io::CancelReason::kShutdown);
  process->ending.start(wait_for_end(*process));
}

io::Task<void> ModelServer::wait_for_end(Process& process) {
  co_await process.server->tasks().idle();
  universe_.at({}, [this, p = &process] {
    std::erase_if(dead_, [&](const auto& d) { return d.get() == p; });
    if (!dead_.empty()) return;
    if (machine_.running() && !live_) machine_.kill();
    machine_.bury();
  });
}

}  // namespace weir::app::sim
