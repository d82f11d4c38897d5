#include "weir/app/sim/budget_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/store/redis/redis_lease_store.h"

namespace weir::app::sim {
namespace {

constexpr Duration kTick = milliseconds(50);
constexpr Duration kDenied = seconds(5);
constexpr int64_t kWorstMost = 400;
constexpr std::string_view kScope = "tenant", kId = "acme";

}  // namespace

// One process of a replica: what `weir serve` has of quota/.
struct BudgetWorld::Process {
  Process(std::vector<io::Loop*> l, const std::string& name, const std::string& server, int64_t limit,
          int64_t spent)
      : loops(std::move(l)), metrics(quota::register_bank_metrics(registry)) {
    io::Loop& first = *loops.front();
    store::SpentByScope sums;
    sums[std::string(kScope)][std::string(kId)] = {{spent, 0}, {spent, 0}, {spent, 0}};
    meters.begin_with(std::move(sums), now(0));
    store::redis::RedisUrl url;
    url.address = {io::Address::Kind::kTcp, server, kLeasePort};
    bank.emplace(
        first,
        std::make_unique<store::redis::RedisLeaseStore>(
            first, std::move(url), store::redis::RedisLeaseStore::Options{.replica = name}),
        meters, registry, metrics, [](bool, std::string_view) {}, quota::Bank::Options{});
    weir::Limits limits;
    limits.budgets = {{BudgetPeriod::kDay, limit, {}}, {BudgetPeriod::kTotal, limit, {}}};
    meter = meters.meter_of(kScope, kId, limits);
    std::vector<quota::Renewals*> told;
    for (io::Loop* loop : loops) {
      renewals.push_back(std::make_unique<quota::Renewals>(*loop, *bank));
      told.push_back(renewals.back().get());
    }
    bank->start(std::move(told));
  }
  quota::Moment now(size_t loop) const {
    return quota::Moment::at(loops[loop]->now(), loops[loop]->wall_now());
  }

  std::vector<io::Loop*> loops;
  telemetry::Registry registry;
  quota::BankMetrics metrics;
  quota::MeterTable meters;
  std::optional<quota::Bank> bank;
  std::vector<std::unique_ptr<quota::Renewals>> renewals;
  std::shared_ptr<quota::Meter> meter;
  io::Cancel ending;
  io::TaskGroup workers;
  bool gone = false;  // killed: what it does is seen by nobody
};

BudgetWorld::BudgetWorld(uint64_t seed, World::Trace trace)
    : seed_(seed),
      chance_(seed * 0x9e3779b97f4a7c15 + 7),
      universe_(io::sim::Universe::create(seed ^ 0x6c656173, {})),
      frames_before_(universe_->census().frames),
      start_(universe_->now()) {
  if (trace) universe_->on_trace(std::move(trace));
  kind_ = static_cast<Kind>(chance_.below(4));
  if (chance_.happens(0.25)) kind_ = Kind::kCrashes;
  limit_ = chance_.between(40'000, 600'000);
  think_ = milliseconds(chance_.between(20, 200));
}

BudgetWorld::~BudgetWorld() = default;

void BudgetWorld::violated(std::string what) {
  if (!violation_.empty()) return;
  violation_ = fmt::format("{:.6f}: shared budgets: {}", to_seconds(universe_->now() - start_), what);
  if (universe_->tracing()) universe_->trace("VIOLATED", what);
}

bool BudgetWorld::wait(std::string_view what, Duration limit, const std::function<bool()>& done) {
  if (universe_->run_until(done, limit)) return true;
  violated(fmt::format("waited {:.1f} s in vain for {}", to_seconds(limit), what));
  return false;
}

// ----------------------------------------------------------------------------------- processes

void BudgetWorld::start(Replica& r) {
  if (r.live) return;
  say(fmt::format("weir-{} starts with {} spent", r.index, r.spent));
  r.live = std::make_unique<Process>(r.machine->boot(), fmt::format("weir-{}", r.index),
                                     std::string(server_->machine().host()), limit_, r.spent);
  r.served = r.in_trouble = universe_->now();
  size_t workers = 2 + chance_.below(6);
  for (size_t i = 0; i < workers; ++i)
    r.live->workers.start(work(r, *r.live, chance_.next(), i % r.live->loops.size()));
}

// What it spent of its lease and nobody was told is gone until it starts again: at most the lease.
void BudgetWorld::kill(Replica& r) {
  if (!r.live) return;
  excused_ += r.live->bank->unleased()[0] + r.live->bank->at_risk()[0];
  say(fmt::format("weir-{} dies; {} were not told", r.index, r.live->bank->at_risk()[0]));
  r.live->gone = true;
  r.machine->kill();
  Process* process = r.live.get();
  r.dead.push_back(std::move(r.live));
  ends_.start(end(r, *process));
}

io::Task<void> BudgetWorld::end(Replica& r, Process& process) {
  process.ending.request(io::CancelReason::kShutdown);
  co_await process.workers.idle();
  if (!process.gone) excused_ += process.bank->unleased()[0];
  co_await process.bank->finish();
  universe_->at({}, [this, &r, p = &process] { bury(r, p); });
}

void BudgetWorld::bury(Replica& r, Process* process) {
  bool drained = r.live.get() == process;
  if (drained) {
    r.machine->kill();
    r.live.reset();
  } else {
    std::erase_if(r.dead, [&](const auto& p) { return p.get() == process; });
  }
  if (r.dead.empty() && !r.live) r.machine->bury();
}

// ------------------------------------------------------------------------------------- callers

// As the pipeline does (pipeline/limited.h).
io::Task<std::optional<quota::Refusal>> BudgetWorld::reserve(Process& p, size_t loop, int64_t amount,
                                                             Duration most, io::Cancel& cancel) {
  MonoTime until = p.loops[loop]->now() + most;
  for (;;) {
    auto no = p.meter->reserve({0, 0, amount}, p.now(loop));
    MonoTime now = p.loops[loop]->now();
    if (!no || !no->waits || now >= until || cancel.requested()) co_return no;
    if (!co_await p.renewals[loop]->wait(*no->waits, until - now, cancel)) co_return no;
  }
}

void BudgetWorld::settle(Replica& r, Process& p, size_t loop, int64_t reserved, int64_t used) {
  p.meter->settle({0, 0, reserved}, {0, 0, used}, p.now(loop));
  if (p.gone) return;  // under way when it died: on no record
  r.spent += used;
  spent_ += used;
  if (spent_ > allowed())
    violated(fmt::format("{} of {} were spent, {} of it without a lease or unknown by a crash", spent_,
                         limit_, allowed() - limit_));
}

io::Task<void> BudgetWorld::work(Replica& r, Process& p, uint64_t seed, size_t loop) {
  io::sim::Chance chance(seed);
  while (!p.ending.requested()) {
    if (!co_await io::sleep(*p.loops[loop], chance.between(milliseconds(1), think_), p.ending)) break;
    int64_t worst = chance.between(20, kWorstMost);
    ++asked_;
    auto no = co_await reserve(p, loop, worst, seconds(1), p.ending);
    if (no) continue;
    if (!p.gone) {
      r.served = universe_->now();
      ++served_;
    }
    co_await io::sleep(*p.loops[loop], chance.between(milliseconds(1), milliseconds(300)), p.ending);
    settle(r, p, loop, worst, chance.between(1, worst));
  }
}

// ---------------------------------------------------------------------------------- what holds

int64_t BudgetWorld::allowed() const {
  int64_t sum = limit_ + excused_;
  for (const auto& r : replicas_)
    if (r->live) sum += r->live->bank->unleased()[0];
  return sum;
}

void BudgetWorld::tick() {
  if (!ticking_) return;
  check();
  spent_before_.emplace_back(universe_->now(), spent_);
  while (universe_->now() - spent_before_.front().first > seconds(2))
    spent_before_.pop_front();
  universe_->at(kTick, [this] { tick(); });
}

void BudgetWorld::check() {
  MonoTime now = universe_->now();
  for (auto& r : replicas_) {
    if (!r->live || r->cut_off || !server_->running()) r->in_trouble = now;
    if (r->spent > limit_ + kWorstMost)
      violated(fmt::format("weir-{} alone spent {} of {}", r->index, r->spent, limit_));
    if (!stopping_ && now - std::max(r->served, r->in_trouble) > kDenied && spent_ < limit_ / 5 * 4)
      violated(fmt::format("weir-{} refused everything for {} s with {} of {} spent", r->index,
                           to_seconds(kDenied), spent_, limit_));
  }
  // Replicas go on with parts of what they knew to be left, when each asked last.
  if (kind_ == Kind::kServerAway && spent_ > limit_ + limit_ / 10)
    violated(fmt::format("{} of {} were spent while the store was away", spent_, limit_));
}

// -------------------------------------------------------------------------------- what happens

void BudgetWorld::trouble() {
  Duration at = milliseconds(chance_.between(300, 18'000)), lasts = milliseconds(chance_.between(50, 9'000));
  size_t i = chance_.below(replicas_.size());
  auto happens = [&](std::move_only_function<void()> begin, std::move_only_function<void()> over) {
    universe_->at(at, [this, b = std::move(begin)]() mutable {
      if (!stopping_) b();
    });
    universe_->at(at + lasts, [this, o = std::move(over)]() mutable {
      if (!stopping_) o();
    });
  };
  Replica* r = replicas_[i].get();
  if (kind_ == Kind::kCrashes && chance_.happens(0.5))
    return happens([this, r] { kill(*r); }, [this, r] { start(*r); });
  if (kind_ == Kind::kCrashes && chance_.happens(0.8))
    return happens(
        [this, r] {
          if (std::exchange(r->cut_off, true)) return;
          say(fmt::format("weir-{} is cut off", r->index));
          universe_->partition(*r->machine, server_->machine(), false);
        },
        [this, r] {
          universe_->heal(*r->machine, server_->machine());
          r->cut_off = false;
          r->in_trouble = universe_->now();
        });
  happens(
      [this] {
        if (!server_->running()) return;
        bool forget = kind_ == Kind::kServerForgets;
        say(forget ? "the server of leases dies and forgets" : "the server of leases dies");
        // What others were told lately, and what is held, it does not know when it is asked again.
        if (forget) {
          excused_ += spent_ - (spent_before_.empty() ? 0 : spent_before_.front().second);
          for (auto& one : replicas_)
            if (one->live) excused_ += one->live->meter->held()[0] + one->live->bank->at_risk()[0];
        }
        server_->kill(forget);
      },
      [this] {
        if (server_->clean()) server_->start();
      });
}

void BudgetWorld::heal() {
  stopping_ = true;
  say("everything is healed");
  universe_->faults() = {};
  universe_->heal_all();
  for (auto& r : replicas_)
    r->cut_off = false;
}

// ------------------------------------------------------------------------------------- the run

Report BudgetWorld::run() {
  size_t count = 1 + chance_.below(4);
  auto& machine = universe_->add_machine("redis", "10.1.0.1", 1);
  server_ = std::make_unique<LeaseServer>(*universe_, machine);
  server_->start();
  for (size_t i = 0; i < count; ++i) {
    replicas_.push_back(std::make_unique<Replica>());
    replicas_.back()->index = i;
    replicas_.back()->machine = &universe_->add_machine(
        fmt::format("weir-{}", i), fmt::format("10.1.1.{}", i + 1), 1 + static_cast<int>(chance_.below(2)));
  }
  say(fmt::format("seed {}: {} replicas share {}, kind {}", seed_, count, limit_, static_cast<int>(kind_)));
  for (auto& r : replicas_)
    start(*r);
  io::sim::Faults& f = universe_->faults();
  if (kind_ == Kind::kCrashes) {
    if (chance_.happens(0.5)) f.slow_delivery = 0.05;
    f.slow_delivery_max = milliseconds(chance_.between(20, 400));
    if (chance_.happens(0.5)) f.reset = 0.01;
    if (chance_.happens(0.3)) f.refused = 0.1;
  }
  if (chance_.happens(0.5)) f.short_read = f.short_write = 0.3;
  if (kind_ != Kind::kCalm)
    for (uint64_t n = 1 + chance_.below(6); n > 0; --n)
      trouble();
  universe_->at(kTick, [this] { tick(); });
  universe_->run_until([this] { return !violation_.empty(); }, milliseconds(chance_.between(10'000, 25'000)));
  heal();
  if (violation_.empty()) check_end();
  ticking_ = false;
  for (auto& r : replicas_)
    if (r->live) ends_.start(end(*r, *r->live));
  wait("the replicas to end", seconds(30), [&] {
    return ends_.running() == 0 &&
           std::ranges::all_of(replicas_, [](const auto& r) { return !r->live && r->dead.empty(); });
  });
  server_->kill(false);
  wait("the server of leases to end", seconds(30), [&] { return server_->clean(); });
  server_.reset();
  io::sim::Census left = universe_->census();
  if (violation_.empty() && (left.streams + left.timers + left.jobs > 0 || left.frames != frames_before_))
    violated(fmt::format("{} streams, {} timers, {} jobs, {} coroutine frames are left", left.streams,
                         left.timers, left.jobs, left.frames - frames_before_));

  Report report;
  report.violation = violation_;
  report.virtual_time = universe_->now() - start_;
  report.gateway_time = report.virtual_time * static_cast<int64_t>(count);
  report.requests = asked_;
  report.records = served_;
  report.events = universe_->events();
  return report;
}

io::Task<void> BudgetWorld::probe(Process& p, bool* done) {
  io::Cancel never;
  int64_t left = std::max<int64_t>(limit_ - spent_, 0);
  if (auto no = co_await reserve(p, 0, left, seconds(3), never); no)
    violated(fmt::format("{} of the budget are left, and refused", left));
  else
    p.meter->settle({0, 0, left}, {}, p.now(0));
  if (!co_await reserve(p, 0, left + 1, seconds(1), never) && spent_ <= limit_)
    violated("more than is left was let through");
  *done = true;
}

void BudgetWorld::check_end() {
  if (!wait("dead processes to end", seconds(30), [&] {
        return server_->clean() &&
               std::ranges::all_of(replicas_, [](const auto& r) { return r->dead.empty(); });
      }))
    return;
  server_->start();
  for (auto& r : replicas_)
    start(*r);
  universe_->run_for(seconds(1));
  for (auto& r : replicas_)
    r->live->ending.request(io::CancelReason::kShutdown);
  if (!wait("callers to end", seconds(10), [&] {
        return std::ranges::all_of(replicas_, [](const auto& r) { return r->live->workers.running() == 0; });
      }))
    return;
  // Leases of the dead end, everybody has told everything.
  universe_->run_for(seconds(12));
  for (auto& r : replicas_) {
    bool done = false;
    ends_.start(probe(*r->live, &done));
    if (!wait("a probe", seconds(10), [&] { return done; })) return;
    auto view = r->live->meter->budgets(r->live->now(0)).back();
    if (view.spent_nanodollars != spent_)
      violated(fmt::format("weir-{} knows of {} spent of {}", r->index, view.spent_nanodollars, spent_));
    if (view.reserved_nanodollars != 0)
      violated(fmt::format("weir-{} rests with {} reserved", r->index, view.reserved_nanodollars));
  }
}

}  // namespace weir::app::sim
