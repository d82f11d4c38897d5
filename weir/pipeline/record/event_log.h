// EventLog: one core's durable record of its requests: the ring in its file, the place each request takes
// when it enters, the one event it writes when it ends, and the sync behind it. Used on its loop only, but
// for the ring's reading side, which is the drainer's.
//
// When no place is free (the store is behind) the settings decide: refuse the request before anything of it
// is read or spent, or let it pass and count the event that will be missing. Events of requests that reached
// no model server are let in only while a quarter of the ring is free: strangers can not fill it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/base/settings.h"
#include "weir/exchange/exchange.h"
#include "weir/io/loop.h"
#include "weir/pipeline/record/group_sync.h"
#include "weir/pipeline/record/ring_file.h"
#include "weir/telemetry/event_ring.h"
#include "weir/telemetry/metrics.h"

namespace weir::pipeline {

struct EventMetrics {
  telemetry::Family<telemetry::Counter> written;      // class
  telemetry::Family<telemetry::Counter> dropped;      // class
  telemetry::Family<telemetry::Gauge> places;         // no label
  telemetry::Family<telemetry::Histogram> sync;       // no label
  telemetry::Family<telemetry::Counter> sync_errors;  // no label
};

/// Registers the families. Once, before the first shard.
EventMetrics register_event_metrics(telemetry::Registry& registry);

class EventLog {
 public:
  /// Opens the ring in the files at `path` (ring_file.h), or makes it `settings.ring_bytes` large. Blocks.
  /// Errors: kIo.
  static Result<std::unique_ptr<EventLog>> open(io::Loop& loop, const std::string& path,
                                                const EventSettings& settings, telemetry::Registry& registry,
                                                const EventMetrics& metrics, GroupSync::Say say);
  /// On a ring that is open already.
  EventLog(io::Loop& loop, RingFile file, const EventSettings& settings, telemetry::Registry& registry,
           const EventMetrics& metrics, GroupSync::Say say);
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  telemetry::EventRing& ring() { return file_.ring; }
  /// Of the settings, what may change while it runs: acknowledge, when_full, sync.
  void set_settings(const EventSettings& settings);

  /// Takes a place for the request. Errors: kUnavailable ("record_unavailable"): no record of it can be kept.
  Result<void> enter(exchange::RecordPlace& place);
  /// Writes the event of a request that entered, whatever became of it, and gives its place back. After it
  /// place.receipt says what the answer's end has to wait for. The event's bytes, until the next call; empty:
  /// it was not written.
  std::span<const std::byte> leave(exchange::RecordPlace& place, const telemetry::Event& event);

  /// What keeps new requests from being recorded, one sentence each; empty: nothing.
  std::vector<std::string> not_ready() const;
  /// What is not recorded although requests are let in, one sentence each; empty: nothing.
  std::vector<std::string> warnings() const;

  /// A last sync. No request is under way any more.
  io::Task<void> finish() { return sync_.finish(); }

 private:
  struct ByClass {
    telemetry::Counter usage, telemetry;
    telemetry::Counter& of(telemetry::EventClass c) {
      return c == telemetry::EventClass::kUsage ? usage : telemetry;
    }
  };
  EventLog(io::Loop& loop, RingFile file, telemetry::Shard& shard, const EventMetrics& metrics,
           GroupSync::Say say);
  uint64_t write(const telemetry::Event& event);

  io::Loop& loop_;
  RingFile file_;
  telemetry::EventRing& ring_;
  ByClass written_, dropped_;
  GroupSync sync_;
  bool refuse_ = true;
  bool on_disk_ = false;
};

}  // namespace weir::pipeline
