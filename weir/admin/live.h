// LiveFeed: the console's heartbeat on one core: every five seconds one server-sent event to each subscriber,
// until it leaves or the gateway drains. The figures are read once for all subscribers of the core. A bounded
// number of subscribers: each holds a connection. Used on its loop only; outlives its subscribers' requests.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "weir/admin/call.h"
#include "weir/io/cancel.h"
#include "weir/telemetry/metrics.h"

namespace weir::admin {

class LiveFeed {
 public:
  struct Options {
    Duration every = seconds(5);
    size_t subscribers_max = 64;
  };
  LiveFeed(io::Loop& loop, const telemetry::Registry& metrics, Options options)
      : loop_(loop), metrics_(metrics), options_(options) {}

  /// Writes events to the call's response until it or the feed ends; ?events=N: only so many.
  io::Task<Result<Answer>> subscribe(Call& call);
  /// No more events: streams end well.
  void stop() { ending_.request(io::CancelReason::kShutdown); }
  size_t subscribers() const { return subscribers_; }

 private:
  struct Figures {
    double requests_total = 0;
    double in_flight = 0;
  };
  io::Task<void> refresh();
  std::string event(const Call& call) const;

  io::Loop& loop_;
  const telemetry::Registry& metrics_;
  const Options options_;
  io::Cancel ending_;
  size_t subscribers_ = 0;
  Figures now_;
  MonoTime read_at_{};
  double requests_per_s_ = -1;  // not known yet
};

}  // namespace weir::admin
