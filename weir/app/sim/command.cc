#include "weir/app/sim/command.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <limits>
#include <utility>

#include "weir/app/sim/budget_world.h"
#include "weir/app/sim/world.h"
#include "weir/base/mutation.h"
#include "weir/io/net/runtime.h"

namespace weir::app::sim {
namespace {

constexpr Duration kProgressEvery = seconds(5);
constexpr size_t kFailuresMax = 20;
constexpr double kAmplificationMax = 1.1;  // of what model servers are asked, by asking again
// A thousand worlds' worth: three hundred give 1.08 to 1.10, by which troubles they happen to have.
constexpr uint64_t kRequestsToJudge = 100'000;

// For on_crash() alone, which can reach nothing else: how the world under way is run again.
std::string crash_note;

void on_crash(int signal) {
  std::fputs(crash_note.c_str(), stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string replay(uint64_t seed, const SimCommand& command) {
  return fmt::format("weir sim --seed {}{} --trace", seed,
                     command.mutation.empty() ? "" : " --mutation " + command.mutation);
}

bool plant(const std::string& mutation) {
#if WEIR_MUTATIONS
  for (const MutationRow& row : kMutations)
    if (row.name == mutation) {
      planted_mutation = row.mutation;
      return true;
    }
  fmt::print(stderr, "weir sim: no mutation '{}'; there are:\n", mutation);
  for (const MutationRow& row : kMutations)
    fmt::print(stderr, "  {:<20} {}\n", row.name, row.what);
#else
  fmt::print(stderr, "weir sim: --mutation {} needs a build with mutations (cmake --preset mutants)\n",
             mutation);
#endif
  return false;
}

bool parse_range(std::string_view text, uint64_t& first, uint64_t& last) {
  size_t dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  auto number = [](std::string_view digits, uint64_t& into) {
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  };
  return number(text.substr(0, dots), first) && number(text.substr(dots + 2), last) && first <= last;
}

void add(std::map<std::string, uint64_t>& sum, const std::map<std::string, uint64_t>& more) {
  for (const auto& [what, count] : more)
    sum[what] += count;
}

std::string listed(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [what, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, count);
  return text.empty() ? "none" : text;
}

}  // namespace

int run_sim(const SimCommand& command) {
  if (!command.mutation.empty() && !plant(command.mutation)) return 2;
  // The real loop gives the wall's time for the report and a base for fresh seeds; no world sees it.
  auto runtime = io::net::Runtime::create({.cores = 1});
  if (!runtime) {
    fmt::print(stderr, "weir sim: {}\n", runtime.error().message);
    return 2;
  }
  io::Loop& wall = (*runtime)->loop(0);

  uint64_t first = 1, last = 100;
  if (command.seed) {
    first = last = *command.seed;
  } else if (!command.seeds.empty()) {
    if (!parse_range(command.seeds, first, last)) {
      fmt::print(stderr, "weir sim: --seeds takes A..B, as 1..1000\n");
      return 2;
    }
  } else if (command.minutes > 0 || command.fresh > 0) {
    first = wall.random().next() >> 20;
    last = command.fresh > 0 ? first + command.fresh - 1 : std::numeric_limits<uint64_t>::max();
    fmt::print("fresh seeds from {}\n", first);
    std::fflush(stdout);
  }

  World::Trace trace;
  if (command.trace)
    trace = [](std::string_view line) {  // somebody who stops reading is no failure
      std::fwrite(line.data(), 1, line.size(), stdout);
      std::fputc('\n', stdout);
    };
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE})
    std::signal(signal, on_crash);

  Report sum;
  uint64_t seeds = 0;
  std::vector<uint64_t> failed;
  MonoTime began = wall.now(), told = began;
  for (uint64_t seed = first;; ++seed) {
    crash_note = fmt::format("seed {} crashed\n  replay: {}\n", seed, replay(seed, command));
    Report report = World(seed, trace).run();
    Report shared = BudgetWorld(seed, trace).run();
    if (report.violation.empty()) report.violation = shared.violation;
    sum.virtual_time += shared.virtual_time;
    sum.gateway_time += shared.gateway_time;
    sum.events += shared.events;
    sum.shared += shared.requests;
    ++seeds;
    sum.virtual_time += report.virtual_time;
    sum.gateway_time += report.gateway_time;
    sum.requests += report.requests;
    sum.records += report.records;
    sum.events += report.events;
    sum.asked += report.asked;
    sum.asked_again += report.asked_again;
    add(sum.outcomes, report.outcomes);
    add(sum.blows, report.blows);
    add(sum.moods, report.moods);
    if (!report.violation.empty()) {
      failed.push_back(seed);
      fmt::print("seed {} FAILED at {}\n  replay: {}\n", seed, report.violation, replay(seed, command));
      std::fflush(stdout);
      if (!command.keep_going || failed.size() >= kFailuresMax) break;
    }
    MonoTime now = wall.now();
    if (now - told >= kProgressEvery) {
      told = now;
      fmt::print(stderr, "  {} seeds, {} failed, {:.0f} s\n", seeds, failed.size(), to_seconds(now - began));
    }
    if (seed == last || (command.minutes > 0 && to_seconds(now - began) >= command.minutes * 60)) break;
  }
  double seconds_taken = to_seconds(wall.now() - began);
  double gateway_hours = to_seconds(sum.gateway_time) / 3600;
  fmt::print(
      "{} seeds ({}..{}), {} failed; {:.3f} gateway-hours simulated in {:.1f} s, {:.0f} an hour; {} "
      "requests, {} records, {} of shared budgets, {} events\n",
      seeds, first, first + seeds - 1, failed.size(), gateway_hours, seconds_taken,
      gateway_hours / std::max(seconds_taken, 1e-9) * 3600, sum.requests, sum.records, sum.shared,
      sum.events);
  fmt::print("  outcomes: {}\n  blows: {}\n  clients: {}\n", listed(sum.outcomes), listed(sum.blows),
             listed(sum.moods));
  double amplification =
      1 + static_cast<double>(sum.asked_again) / static_cast<double>(std::max<uint64_t>(sum.asked, 1));
  fmt::print("  model servers: {} requests, {} times asked for the same again: amplification {:.3f}\n",
             sum.asked, sum.asked_again, amplification);
  // Of one world it says little: its budget of retries has a floor, and it has few requests.
  bool amplifies = sum.asked >= kRequestsToJudge && amplification > kAmplificationMax;
  if (amplifies) fmt::print("FAILED: amplification beyond {}\n", kAmplificationMax);
  return failed.empty() && !amplifies ? 0 : 1;
}

}  // namespace weir::app::sim
