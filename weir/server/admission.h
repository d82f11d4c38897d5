// Admission: whether this core takes one more model request. Asked before anything of a request but its head
// was looked at, so that a refusal costs a few microseconds; /health, /ready and /metrics never ask. One a
// core: it counts what is under way against the core's share of server.limits.requests, and against what the
// loop can do on time (load_limit.h).
//
// A refusal is cheap, not free: a core that answered every one of five times what it can serve would do
// nothing else. So while the loop is late a connection that was refused rests: its next request is not read
// for (open connections / kRefusalsPerSecond) on average, which bounds refusing to about 5 % of the core,
// however many ask. What waits meanwhile waits in the kernel's buffers at no cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "weir/base/clock.h"
#include "weir/base/error.h"
#include "weir/io/loop.h"
#include "weir/server/load_limit.h"
#include "weir/telemetry/metrics.h"

namespace weir::server {

struct RefusalMetrics {
  telemetry::Family<telemetry::Counter> refused;  // reason
};

/// Registers the family. Once, before the first shard.
RefusalMetrics register_refusal_metrics(telemetry::Registry& registry);

class Admission {
 public:
  static constexpr int64_t kRefusalsPerSecond = 1500;  // of one core, at about 30 us each among thousands

  struct Options {
    size_t requests_max = 10'000;  // this core's share
    Duration delay_max = milliseconds(50);
  };

  Admission(io::Loop& loop, telemetry::Registry& registry, const RefusalMetrics& metrics);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  void set_options(const Options& options);

  /// One request's place among those under way; gives it back when destroyed.
  class Place {
   public:
    Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (owner_) --owner_->under_way_;
    }
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    friend class Admission;
    explicit Place(Admission* owner) : owner_(owner) {}
    Admission* owner_;
  };

  /// Takes a place; without one the request is to be refused with refusal().
  Place enter(MonoTime now);

  /// Why the last enter() gave no place, and what the caller is told. Counts it. `connections` are those open
  /// on this core.
  struct Refusal {
    Error error;      // 503 with retry_after_s
    Duration rest{};  // for which the connection is not read; 0: it may ask again at once
  };
  Refusal refusal(size_t connections);

  /// A connection was turned away: too many in all, or of its address.
  void count_turned_away(bool of_client);

  size_t under_way() const { return under_way_; }
  const LoadLimit& load() const { return load_; }

 private:
  io::Loop& loop_;
  Options options_;
  LoadLimit load_;
  size_t under_way_ = 0;
  bool late_ = false;  // the last refusal's reason
  telemetry::Counter refused_full_;
  telemetry::Counter refused_late_;
  telemetry::Counter turned_away_;
  telemetry::Counter turned_away_client_;
};

}  // namespace weir::server
