// EventDrainer: moves events from the rings of all cores into the EventStore. One task on one loop (0); the
// store's calls and the reading of rings run on a worker, one at a time. Exactly once: the store keeps each
// ring's position with the events, and a ring's slots are freed only after that was committed; a process that
// dies between the two finds the store's position at its next start.
//
// A store that fails (full, locked, damaged, I/O) is tried again with growing pauses; the events stay in the
// rings meanwhile, and trouble() says why. What happens when a ring is full is not decided here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/store/event_store.h"
#include "weir/telemetry/event_ring.h"
#include "weir/telemetry/metrics.h"

namespace weir::store {

struct DrainerMetrics {
  telemetry::Family<telemetry::Counter> stored;   // events
  telemetry::Family<telemetry::Counter> errors;   // calls of the store that failed
  telemetry::Family<telemetry::Counter> damaged;  // slots that a power cut destroyed
  telemetry::Family<telemetry::Counter> expired;  // events
  telemetry::Family<telemetry::Gauge> waiting;    // events in the rings, not yet stored
};

/// Registers the families. Once, before the first shard.
DrainerMetrics register_drainer_metrics(telemetry::Registry& registry);

struct Retention {
  Duration age_max{0};         // 0: no bound
  uint64_t bytes_max = 0;      // of the store's file; 0: no bound
  Duration ledger_age_max{0};  // of the ledger's details; 0: no bound
};

class EventDrainer {
 public:
  struct Ring {
    std::string name;            // the store's key; never another ring's
    telemetry::EventRing* ring;  // outlives the drainer
  };
  /// The ring of a core that a former run had and this one has not: stored, then its files are removed.
  struct FormerRing {
    std::string name;
    std::vector<std::string> paths;
    std::unique_ptr<io::MappedFile> file;
    telemetry::EventRing ring;  // in `file`
  };
  struct Options {
    Duration every = milliseconds(50);  // the longest an event waits while the store is well
    size_t events_max = 4096;           // of one transaction: 2 MB of memory at most
    Duration retry_min = milliseconds(100);
    Duration retry_max = seconds(5);
    Retention retention;
    /// Told of each event once it is stored, on the worker, one at a time. May be nothing.
    std::function<void(const telemetry::Event&)> stored = nullptr;
  };
  /// Sentences for the operator's log: when storing begins to fail, when it works again.
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  EventDrainer(io::Loop& loop, std::unique_ptr<EventStore> store, std::vector<Ring> rings,
               std::vector<FormerRing> former, telemetry::Registry& registry, const DrainerMetrics& metrics,
               Say say, Options options);
  EventDrainer(const EventDrainer&) = delete;
  EventDrainer& operator=(const EventDrainer&) = delete;
  ~EventDrainer();  // Requires: not started, or finish() ended

  /// Brings rings and store to one position. Blocks. Requires: nobody reserves in the rings yet. Errors: the
  /// store's.
  Result<void> prepare();
  /// What the rings hold and the store does not. Blocks. Requires: prepare(), and not started.
  void read_waiting(const std::function<void(const telemetry::Event&)>& take);
  /// Begins; prepares first, where that was not done. Errors: as prepare(); nothing has begun then.
  Result<void> start();
  /// Looks at the rings now: one is filling up. Loop only.
  void nudge();
  void set_retention(Retention retention) { options_.retention = retention; }

  /// Stores what the rings hold, for at most `bound` and one call of the store, and ends. Nothing is appended
  /// to the rings any more. What could not be stored is still in them, for the next start.
  io::Task<void> finish(Duration bound);

  /// Why events are not being stored; empty: they are. Thread-safe.
  std::string trouble() const;
  /// Events in the rings that are not stored yet. Loop only.
  uint64_t waiting() const;

 private:
  struct Drained {
    std::string name;
    telemetry::EventRing* ring;
    uint64_t position = 0;  // everything before it is stored
    uint64_t next = 0;      // what the round under way stores
  };
  struct Round {
    std::optional<Error> error;
    uint64_t events = 0;
    uint64_t bytes = 0;
    uint64_t damaged = 0;
    bool more = false;  // it took all it may: more is likely there
  };

  Result<void> agree(Drained& ring);
  io::Task<void> run();
  Round store_round();  // on a worker
  void settle(const Round& round);
  void fail(const Error& error);
  void remove_former();
  io::Task<void> expire();
  io::Task<void> pause(Duration longest);

  io::Loop& loop_;
  std::unique_ptr<EventStore> store_;
  std::vector<Drained> rings_;
  std::list<FormerRing> former_;  // rings_ point into it
  Say say_;
  Options options_;

  telemetry::Counter stored_, errors_, damaged_, expired_;
  telemetry::Gauge waiting_;

  size_t turn_ = 0;                // the ring a round begins with, so that a busy one does not starve others
  std::vector<std::byte> buffer_;  // of a round
  WallTime round_began_;
  MonoTime expire_at_;
  uint64_t stored_bytes_ = 0;  // since the last expire()
  io::Cancel* pausing_ = nullptr;
  bool prepared_ = false;
  std::optional<MonoTime> end_by_;
  std::atomic<std::shared_ptr<const std::string>> trouble_;  // read by every core
  io::TaskGroup tasks_;
};

}  // namespace weir::store
