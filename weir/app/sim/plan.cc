#include "weir/app/sim/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace weir::app::sim {

using io::sim::Chance;

std::string_view name(Blow blow) {
  static constexpr std::string_view kNames[] = {
      "kill",   "power_cut",     "kill_model", "power_cut_model", "partition",   "clock_jump",  "disk_full",
      "reload", "broken_reload", "restart",    "throttle",        "die_writing", "cut_writing", "sick_model"};
  static_assert(std::size(kNames) == kBlows);
  return kNames[static_cast<size_t>(blow)];
}

std::string replica_host(size_t i) {
  return fmt::format("10.0.1.{}", i + 1);
}
std::string model_host(size_t i) {
  return fmt::format("10.0.2.{}", i + 1);
}
std::string client_host(size_t i) {
  return fmt::format("10.0.3.{}", i + 1);
}

namespace {

milliseconds ms_between(Chance& chance, int64_t low, int64_t high) {
  return milliseconds(chance.between(low, high));
}

// Each fault is on in some worlds only, and weak or strong: a world in which everything fails always shows
// little.
double strength(Chance& chance, double on, double at_most) {
  if (!chance.happens(on)) return 0;
  return at_most * static_cast<double>(chance.between(1, 100)) / 100;
}

void draw_faults(Chance& chance, bool lying, io::sim::Faults& f) {
  f.slow_delivery = strength(chance, 0.4, 0.05);
  f.slow_delivery_max = ms_between(chance, 20, 120);
  f.short_read = strength(chance, 0.5, 0.5);
  f.short_write = strength(chance, 0.5, 0.5);
  f.refused = strength(chance, 0.4, 0.1);
  f.reset = strength(chance, 0.5, 0.01);
  f.resolver_fails = strength(chance, 0.2, 0.1);
  f.slow_disk = strength(chance, 0.3, 0.1);
  f.disk_error = strength(chance, 0.2, 0.05);
  if (!lying) return;
  f.unanswered = strength(chance, 0.5, 0.05);
  f.half_open = strength(chance, 0.7, 0.003);
}

PlannedBlow draw_blow(Chance& chance, const Plan& plan, bool with_partitions) {
  PlannedBlow b;
  do
    b.blow = static_cast<Blow>(chance.below(kBlows));
  while (b.blow == Blow::kPartition && !with_partitions);
  b.at = chance.between(milliseconds(200), plan.traffic);
  b.lasts = ms_between(chance, 50, chance.happens(0.5) ? 800 : 5000);
  bool model = b.blow == Blow::kKillModel || b.blow == Blow::kPowerCutModel || b.blow == Blow::kSickModel;
  b.whom = chance.below(model ? plan.models : plan.replicas);
  b.one_way = chance.happens(0.3);
  if (b.blow == Blow::kPartition) b.other = chance.below(plan.models + plan.client_machines);
  if (b.blow == Blow::kClockJump) b.amount = chance.between(-7200, 7200);
  if (b.blow == Blow::kThrottle) {
    b.whom = chance.below(plan.client_machines);
    b.amount = chance.between(2'000, 200'000);
  }
  if (b.blow == Blow::kSickModel) {
    static constexpr std::array<std::string_view, 9> kFaults = {
        "reset", "hang", "hang_after_head", "hang_mid", "cut", "html", "malformed", "error_event", "status"};
    b.fault = kFaults[chance.below(kFaults.size())];
    b.amount = chance.between(0, 6);
    b.lasts = ms_between(chance, 500, 8000);
  }
  if (b.blow == Blow::kDieWriting || b.blow == Blow::kCutWriting) b.amount = chance.between(0, 30);
  return b;
}

// From a chance of its own, so that everything else about a seed stays what it was.
void draw_accounts(Plan& p) {
  Chance chance(p.seed ^ 0x6163636f756e7473);
  if (!chance.happens(0.4)) return;
  AccountsPlan& a = p.accounts;
  a.keys = 2 + chance.below(5);
  a.fails = strength(chance, 0.5, 0.2);
  for (size_t i = 0; i < a.keys - 1; ++i)  // the last one stays good
    if (chance.happens(0.7)) a.revocations.push_back(chance.between(Duration(0), p.traffic));
  for (size_t cuts = chance.below(5); cuts > 0; --cuts)
    a.cuts.push_back(
        {chance.below(p.replicas), chance.between(Duration(0), p.traffic), ms_between(chance, 50, 6'000)});
  std::ranges::sort(a.cuts, {}, &AccountsPlan::Cut::at);
}

}  // namespace

Duration Plan::slack() const {
  // A request and its answer are at most eight deliveries in a row, connections and a resend included; timers
  // are late by a tick of 8 ms.
  Duration slow = faults.slow_delivery > 0 ? faults.slow_delivery_max : Duration(0);
  return 8 * (faults.latency_max + slow) + milliseconds(100);
}

Duration Plan::sync_bound() const {
  // The sync under way, the wait for the next, that one; the wheel's tick twice. One that fails is tried
  // again after a second.
  Duration one = faults.disk_latency_max;
  if (faults.slow_disk > 0) one = std::max(one, faults.slow_disk_max);
  Duration again = faults.disk_error > 0 ? Duration(seconds(10)) : Duration(0);
  return 2 * one + records.sync + milliseconds(20) + again;
}

Plan draw_plan(uint64_t seed) {
  Chance chance(seed * 0x2545f4914f6cdd1d + 1);
  Plan p;
  p.seed = seed;
  p.replicas = 1 + chance.below(3);
  p.models = 1 + chance.below(3);
  p.client_machines = 1 + chance.below(2);
  p.clients = 2 + chance.below(8);
  p.loops = 1 + static_cast<int>(chance.below(2));
  p.traffic = ms_between(chance, 8'000, 30'000);
  p.think = ms_between(chance, 50, 1'500);
  Limits& l = p.limits;
  l.header = ms_between(chance, 1'000, 2'000);
  l.body = ms_between(chance, 1'000, 2'000);
  l.idle = ms_between(chance, 3'000, 10'000);
  l.write = ms_between(chance, 1'000, 3'000);
  l.queue = ms_between(chance, 300, 2'000);
  l.connect = ms_between(chance, 500, 1'000);
  l.headers = ms_between(chance, 1'000, 2'000);
  l.first_token = ms_between(chance, 1'000, 2'000);
  l.token_idle = ms_between(chance, 600, 1'500);
  l.total = ms_between(chance, 4'000, 8'000);
  l.drain = ms_between(chance, 300, 4'000);
  l.connections = chance.happens(0.1) ? chance.between(2, 8) : 1000;
  l.requests = chance.happens(0.1) ? chance.between(2, 8) : 1000;
  l.requests_per_client = chance.happens(0.1) ? chance.between(1, 6) : 0;
  l.upstream_connections = chance.happens(0.3) ? chance.between(1, 6) : 256;
  Failing& f = p.failing;
  f.retries = chance.between(0, 3);
  f.backoff = ms_between(chance, 5, 200);
  f.retry_after_max = ms_between(chance, 0, 1'000);
  f.failures = chance.between(2, 5);
  f.check = milliseconds(chance.happens(0.3) ? 0 : chance.between(300, 5'000));
  f.rest = ms_between(chance, 100, 1'000);
  f.rest_max = ms_between(chance, 1'000, 4'000);
  f.slow_start = ms_between(chance, 0, 2'000);
  p.records.on_disk = chance.happens(0.5);
  p.records.refuse = chance.happens(0.7);
  p.records.sync = ms_between(chance, 1, 30);
  p.busy = chance.happens(0.1);
  if (p.busy) {
    p.replicas = 1;
    p.loops = 1;
    p.clients = 10 + chance.below(6);
    p.traffic = ms_between(chance, 3'000, 8'000);
    p.think = ms_between(chance, 1, 20);
  }

  // A fifth of the worlds is calm, a fifth has blows only, the rest has chance against it too.
  uint64_t mood = chance.below(10);
  bool noisy = mood >= 4, lying = mood >= 8;
  if (noisy) draw_faults(chance, lying, p.faults);
  size_t blows = mood < 2 ? 0 : 1 + chance.below(6);
  for (size_t i = 0; i < blows; ++i)
    p.blows.push_back(draw_blow(chance, p, mood == 3 || mood >= 6));
  if (p.busy && chance.happens(0.7)) {  // the ring fills while the store stands still
    PlannedBlow full;
    full.blow = Blow::kDiskFull;
    full.at = ms_between(chance, 200, 1'000);
    full.lasts = ms_between(chance, 3'000, 6'000);
    p.blows.push_back(full);
  }
  std::ranges::sort(p.blows, {}, &PlannedBlow::at);
  if (chance.happens(0.3)) f.hedge = ms_between(chance, 50, 800);
  draw_accounts(p);
  return p;
}

std::string Plan::summary() const {
  std::string text =
      fmt::format("{} replica(s) of {} loop(s), {} model server(s), {} clients on {} machine(s), {:.1f} s",
                  replicas, loops, models, clients, client_machines, to_seconds(traffic));
  auto fault = [&](std::string_view what, double chance) {
    if (chance > 0) text += fmt::format(", {} {:.4f}", what, chance);
  };
  fault("slow_delivery", faults.slow_delivery);
  fault("short_read", faults.short_read);
  fault("short_write", faults.short_write);
  fault("refused", faults.refused);
  fault("unanswered", faults.unanswered);
  fault("reset", faults.reset);
  fault("half_open", faults.half_open);
  fault("resolver_fails", faults.resolver_fails);
  fault("slow_disk", faults.slow_disk);
  fault("disk_error", faults.disk_error);
  for (const PlannedBlow& b : blows)
    text += fmt::format(", {} at {:.3f} s", name(b.blow), to_seconds(b.at));
  if (accounts.keys > 0)
    text += fmt::format("; {} keys of accounts, {} revoked, {} cuts, {:.2f} of the calls fail", accounts.keys,
                        accounts.revocations.size(), accounts.cuts.size(), accounts.fails);
  text += fmt::format("; records are acknowledged on {}, {} when full", records.on_disk ? "disk" : "ring",
                      records.refuse ? "refused" : "counted");
  return text;
}

std::string configuration(const Plan& plan, size_t replica, uint64_t version) {
  const Limits& l = plan.limits;
  std::string text = fmt::format(
      "server:\n"
      "  listen: \"{}:{}\"\n"
      "  cores: {}\n"
      "  drain_ms: {}\n"
      "  limits: {{ connections: {}, requests: {}, requests_per_client: {}, body_bytes: 65536 }}\n"
      "  timeouts: {{ header_ms: {}, body_ms: {}, idle_ms: {}, write_ms: {} }}\n"
      "auth:\n"
      "  keys:\n"
      "    - {{ name: team, key: \"{}\", limits: {{ budgets: [ {{ period: total, tokens: 1000000000 }} ] }} "
      "}}\n"
      "    - {{ name: narrow, key: \"{}\", models: [ last ], limits: {{ budgets: [ {{ period: total, tokens: "
      "1000000000 }} ] }} }}\n"
      "data: {{ directory: {} }}\n"
      "accounts: {{ enabled: {}, pepper: \"{}\", poll_ms: 250, audit_days: 0 }}\n"
      "events: {{ ring_bytes: 65536, acknowledge: {}, when_full: {}, sync_ms: {} }}\n"
      "admin: {{ enabled: false }}\n"
      "retries: {{ max: {}, backoff_ms: {}, retry_after_max_ms: {} }}\n"
      "health: {{ check_ms: {}, failures: {}, rest_ms: {}, rest_max_ms: {}, slow_start_ms: {} }}\n"
      "log: {{ file: /var/log/weir.log, level: {} }}\n"
      "providers:\n",
      replica_host(replica), kReplicaPort, plan.loops, l.drain.count(), l.connections, l.requests,
      l.requests_per_client, l.header.count(), l.body.count(), l.idle.count(), l.write.count(), kKey,
      kNarrowKey, kDataDirectory, plan.accounts.keys > 0, kPepper, plan.records.on_disk ? "disk" : "ring",
      plan.records.refuse ? "refuse" : "count", plan.records.sync.count(), plan.failing.retries,
      plan.failing.backoff.count(), plan.failing.retry_after_max.count(), plan.failing.check.count(),
      plan.failing.failures, plan.failing.rest.count(), plan.failing.rest_max.count(),
      plan.failing.slow_start.count(), version % 2 ? "warn" : "info");
  for (size_t m = 0; m < plan.models; ++m)
    text += fmt::format(
        "  - name: model-{0}\n"
        "    kind: openai\n"
        "    base_url: \"http://model-{0}:{1}/v1\"\n"
        "    connections_max: {2}\n"
        "    timeouts: {{ queue_ms: {3}, connect_ms: {4}, headers_ms: {5}, first_token_ms: {6}, idle_ms: "
        "{7}, "
        "total_ms: {8} }}\n",
        m, kModelPort, l.upstream_connections * plan.loops + static_cast<int64_t>(version), l.queue.count(),
        l.connect.count(), l.headers.count(), l.first_token.count(), l.token_idle.count(), l.total.count());
  text += "models:\n  - name: chat\n    aliases: [ " + std::string(version % 2 ? "quick" : "fast, quick") +
          " ]\n" + fmt::format("    hedge_ms: {}\n", plan.failing.hedge.count()) + "    targets:\n";
  for (size_t m = 0; m < plan.models; ++m)
    text += fmt::format("      - {{ provider: model-{}, model: mock-chat }}\n", (m + version) % plan.models);
  text += fmt::format("  - {{ name: last, targets: [ {{ provider: model-{}, model: mock-chat }} ] }}\n",
                      plan.models - 1);
  return text;
}

}  // namespace weir::app::sim
