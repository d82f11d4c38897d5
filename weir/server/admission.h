// Admission: whether this core takes one more model request, and when. Asked before anything of a request but
// its head was looked at, so that waiting and refusing cost little; /health, /ready and /metrics never ask.
// One a core: it counts what is under way against the core's share of server.limits.requests, and looks at
// how late the loop comes to its work.
//
// While the loop is late nobody new begins: requests under way go first, and who comes waits in a room with
// so many places (waiting_room.h). What a loop has under way at once leaves the processor's caches; a
// thousand requests begun take a quarter more time each than ten, a thousand heads that wait next to none.
// When the loop is on time again those who waited longest begin, for kSlice each time it comes round, which
// keeps it on time and never leaves it idle. So a core that is only full serves everybody a little later, and
// one that is asked for five times what it can do refuses what the room cannot hold.
//
// A refusal is cheap, not free: a core that answered every one of five times what it can serve would do
// nothing else. So while the room is full a connection that was refused rests: its next request is not read
// for (open connections / kRefusalsPerSecond) on average, which bounds refusing to about 5 % of the core,
// however many ask. What waits meanwhile waits in the kernel's buffers at no cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "weir/base/clock.h"
#include "weir/base/error.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/server/waiting_room.h"
#include "weir/telemetry/metrics.h"

namespace weir::server {

struct RefusalMetrics {
  telemetry::Family<telemetry::Counter> refused;  // reason
  telemetry::Family<telemetry::Gauge> waiting;
  telemetry::Family<telemetry::Histogram> waited;  // seconds
};

/// Registers the families. Once, before the first shard.
RefusalMetrics register_refusal_metrics(telemetry::Registry& registry);

class Admission {
 public:
  static constexpr int64_t kRefusalsPerSecond = 1500;  // of one core, at about 30 us each among thousands
  static constexpr Duration kSlice = milliseconds(1);
  // So many begin however late the loop is: a machine that stalls for reasons of its own still serves.
  static constexpr size_t kFloor = 8;

  struct Options {
    size_t requests_max = 10'000;          // this core's share
    Duration delay_max = milliseconds(5);  // a loop that comes later than this is late; 0: it never is
    WaitingRoom::Options room{};
  };

  Admission(io::Loop& loop, telemetry::Registry& registry, const RefusalMetrics& metrics);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  void set_options(const Options& options);

  enum class Why : uint8_t { kEntered, kRequests, kLate, kRoomFull, kTooLong, kLeft };

  /// One request's place among those under way, given back when destroyed; or why there is none.
  class Place {
   public:
    Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), why_(other.why_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(why_, other.why_);
      return *this;
    }
    ~Place() {
      if (owner_) owner_->leave();
    }
    explicit operator bool() const { return owner_ != nullptr; }
    /// None now, but wait() may get one.
    bool may_wait() const { return why_ == Why::kLate; }
    Why why() const { return why_; }

   private:
    friend class Admission;
    Place(Admission* owner, Why why) : owner_(owner), why_(why) {}
    Admission* owner_;
    Why why_;
  };

  /// Takes a place if there is one now.
  Place enter(MonoTime now) {
    if (under_way_ >= options_.requests_max) return {nullptr, Why::kRequests};
    if (!room_.empty() || !on_time(now)) return {nullptr, Why::kLate};
    ++under_way_;
    return {this, Why::kEntered};
  }
  /// After an enter() that may_wait(): waits for one. Without it the request is to be refused, or its client
  /// left.
  io::Task<Place> wait(io::Cancel& cancel);

  /// What the caller is told who got no place for this reason. Counts it. `connections` are those open on
  /// this core.
  struct Refusal {
    Error error;      // 503 with retry_after_s
    Duration rest{};  // for which the connection is not read; 0: it may ask again at once
  };
  Refusal refusal(Why why, size_t connections);

  /// A connection was turned away: too many in all, or of its address.
  void count_turned_away(bool of_client);

  size_t under_way() const { return under_way_; }
  size_t waiting() const { return room_.waiting(); }

 private:
  struct Again final : io::Timer {
    explicit Again(Admission& a) : admission(a) {}
    void on_timer() override { admission.call_in(); }
    Admission& admission;
  };

  bool on_time(MonoTime now) {
    return under_way_ < kFloor || options_.delay_max.count() == 0 || loop_.delay(now) <= options_.delay_max;
  }
  void leave() {
    --under_way_;
    if (!room_.empty()) plan(loop_.recent());
  }
  void plan(MonoTime now);
  void call_in();

  io::Loop& loop_;
  Options options_;
  WaitingRoom room_;
  size_t under_way_ = 0;
  bool planned_ = false;  // call_in() is posted
  Again again_{*this};    // looks whether the loop is on time when nothing else does
  telemetry::Counter refused_requests_;
  telemetry::Counter refused_full_;
  telemetry::Counter refused_too_long_;
  telemetry::Counter turned_away_;
  telemetry::Counter turned_away_client_;
  telemetry::Gauge waiting_;
  telemetry::Histogram waited_;
  std::shared_ptr<Admission*> self_;  // for a posted job, which may outlive this
};

}  // namespace weir::server
