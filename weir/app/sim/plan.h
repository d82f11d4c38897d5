// Plan: everything about one simulated world that is decided before it begins, drawn from its seed: how many
// machines, with which timeouts, what goes wrong by chance and what happens when. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/io/sim/universe.h"

namespace weir::app::sim {

/// What happens to a world from outside, at a time.
enum class Blow : uint8_t {
  kKill,           // kill -9 of a replica, started again later
  kPowerCut,       // its machine stops and starts again
  kKillModel,      // the same of a model server
  kPowerCutModel,  //
  kPartition,      // between two machines, healed later
  kClockJump,      // of a replica's wall time
  kDiskFull,       // of a replica, freed later
  kReload,         // a changed configuration
  kBrokenReload,   // one that does not parse, put right later
  kRestart,        // a drain, then a new process
  kThrottle,       // the clients of one machine read slowly, for a while
  kDieWriting,     // as kKill, in the middle of what it does to its disk
  kCutWriting,     // as kPowerCut, likewise
  kSickModel,      // a model server fails every request in one way, for a while
};
inline constexpr size_t kBlows = 14;
std::string_view name(Blow blow);

struct PlannedBlow {
  Duration at{};
  Blow blow = Blow::kKill;
  size_t whom = 0;   // a replica or model server
  size_t other = 0;  // kPartition: the other machine
  Duration lasts{};
  bool one_way = false;
  int64_t amount = 0;  // kClockJump: seconds; kThrottle: bytes a second; k...Writing: changes of the disk;
                       // kSickModel: the frame after which it fails
  std::string_view fault;  // kSickModel
};

/// The replicas' timeouts, shorter than anybody would set them so that a world of seconds meets them all.
struct Limits {
  milliseconds header, body, idle, write;                                // server.timeouts
  milliseconds queue, connect, headers, first_token, token_idle, total;  // providers.timeouts
  milliseconds drain;
  int64_t connections = 0;           // server.limits.connections
  int64_t requests = 0;              // server.limits.requests
  int64_t requests_per_client = 0;   // server.limits.requests_per_client
  int64_t upstream_connections = 0;  // providers.connections_max
};

/// How the replicas fail well.
struct Failing {
  int64_t retries = 0;
  milliseconds backoff, retry_after_max;  // retries
  int64_t failures = 0;                   // health, and below
  milliseconds check, rest, rest_max, slow_start;
  milliseconds hedge{0};  // of the model with several targets
};

/// The replicas' events.
struct Records {
  bool on_disk = false;  // acknowledge
  bool refuse = true;    // when_full
  milliseconds sync;
};

/// Accounts that the replicas share (key_desk.h). Drawn by itself: a world without them is as it was.
struct AccountsPlan {
  size_t keys = 0;   // 0: the configuration's only
  double fails = 0;  // chance of each call of the store
  struct Cut {
    size_t replica = 0;
    Duration at{}, lasts{};
  };
  std::vector<Cut> cuts;              // in order of time
  std::vector<Duration> revocations;  // of the first key, the second ...
};

struct Plan {
  uint64_t seed = 0;
  size_t replicas = 1;
  size_t models = 1;
  size_t client_machines = 1;
  size_t clients = 4;
  int loops = 1;  // of each replica
  Duration traffic{};
  Duration think{};   // the longest pause of a client
  bool busy = false;  // so much traffic that a ring fills when its store stands still
  Limits limits;
  Failing failing;
  Records records;
  AccountsPlan accounts;
  io::sim::Faults faults;
  std::vector<PlannedBlow> blows;  // in order of time

  /// A connection may be silent without being dead, by chance: nothing can be said about times then.
  bool lies() const { return faults.half_open > 0 || faults.unanswered > 0; }
  /// How late anything may be on its way through clients, gateway and model server and back, over what their
  /// timers allow.
  Duration slack() const;
  /// How long an event may wait until it is on the disk, when the disk works.
  Duration sync_bound() const;
  /// How long the end of an answer may wait for its record.
  Duration receipt_bound() const { return records.on_disk ? sync_bound() : Duration(0); }
  /// Requests may have to wait for a connection to a model server.
  bool tight() const { return limits.upstream_connections < 64; }
  std::string summary() const;
};

Plan draw_plan(uint64_t seed);

std::string replica_host(size_t i);  // "10.0.1.1"
std::string model_host(size_t i);
std::string client_host(size_t i);
inline constexpr uint16_t kReplicaPort = 8080;
inline constexpr uint16_t kModelPort = 9000;
inline constexpr std::string_view kConfigPath = "/etc/weir/weir.yaml";
inline constexpr std::string_view kDataDirectory = "/var/lib/weir";
inline constexpr std::string_view kKey = "key-of-the-simulated-team";
inline constexpr std::string_view kPepper = "the pepper of the simulated installation";
inline constexpr std::string_view kNarrowKey = "key-that-may-use-one-model";

/// The text of a replica's configuration file. Each `version` says the same in other words: other order of
/// the targets, another alias, other connection limits.
std::string configuration(const Plan& plan, size_t replica, uint64_t version);

}  // namespace weir::app::sim
