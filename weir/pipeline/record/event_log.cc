#include "weir/pipeline/record/event_log.h"

#include <array>
#include <utility>

#include "weir/base/mutation.h"

namespace weir::pipeline {
namespace {

using telemetry::Event;
using telemetry::EventClass;
using telemetry::EventRing;

Error record_unavailable(std::string message) {
  Error e =
      make_error(ErrorCode::kUnavailable, "The gateway can not record this request right now; try again.", {},
                 "record_unavailable");
  e.message = std::move(message);
  e.retry_after_s = 1;
  return e;
}

// kEarlyAcknowledge: the event comes when the answer is long gone.
class LateAppend final : io::Timer {
 public:
  LateAppend(io::Loop& loop, EventRing& ring, const Event& event) : ring_(ring) {
    bytes_.resize(telemetry::encode(event, bytes_));
    loop.arm(*this, milliseconds(100));
  }

 private:
  void on_timer() override {
    if (ring_.reserve()) ring_.append(*telemetry::decode(bytes_));
    delete this;
  }
  EventRing& ring_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(telemetry::kEventBytesMax);
};

}  // namespace

EventMetrics register_event_metrics(telemetry::Registry& r) {
  std::vector<double> seconds;
  for (double bound = 0.0001; bound < 10; bound *= 2)
    seconds.push_back(bound);
  return {
      .written = r.add_counter("weir_events_total", "Request records written into the ring.", {"class"}),
      .dropped = r.add_counter("weir_events_dropped_total",
                               "Request records lost because the ring had no place for them.", {"class"}),
      .places = r.add_gauge("weir_event_ring_places", "Request records the rings have room for."),
      .sync = r.add_histogram("weir_event_sync_seconds", "Time a sync of request records to the disk took.",
                              {}, std::move(seconds)),
      .sync_errors =
          r.add_counter("weir_event_sync_errors_total", "Syncs of request records to the disk that failed."),
  };
}

Result<std::unique_ptr<EventLog>> EventLog::open(io::Loop& loop, const std::string& path,
                                                 const EventSettings& settings, telemetry::Registry& registry,
                                                 const EventMetrics& metrics, GroupSync::Say say) {
  TRY(RingFile file, open_ring(loop.disk(), path, static_cast<size_t>(settings.ring_bytes)));
  return std::make_unique<EventLog>(loop, std::move(file), settings, registry, metrics, std::move(say));
}

EventLog::EventLog(io::Loop& loop, RingFile file, const EventSettings& settings,
                   telemetry::Registry& registry, const EventMetrics& metrics, GroupSync::Say say)
    : EventLog(loop, std::move(file), registry.add_shard(), metrics, std::move(say)) {
  set_settings(settings);
}

EventLog::EventLog(io::Loop& loop, RingFile file, telemetry::Shard& shard, const EventMetrics& metrics,
                   GroupSync::Say say)
    : loop_(loop),
      file_(std::move(file)),
      ring_(file_.ring),
      written_{shard.series(metrics.written, {"usage"}), shard.series(metrics.written, {"telemetry"})},
      dropped_{shard.series(metrics.dropped, {"usage"}), shard.series(metrics.dropped, {"telemetry"})},
      sync_(loop, *file_.memory, *file_.saved, ring_,
            {shard.series(metrics.sync, {}), shard.series(metrics.sync_errors, {})}, std::move(say)) {
  shard.series(metrics.places, {}).set(static_cast<double>(ring_.slots()));
}

void EventLog::set_settings(const EventSettings& settings) {
  refuse_ = settings.when_full == WhenFull::kRefuse;
  on_disk_ = settings.acknowledge == Acknowledge::kDisk;
  sync_.set_delay(settings.sync);
  sync_.set_strict(refuse_);
}

Result<void> EventLog::enter(exchange::RecordPlace& place) {
  if (refuse_ && on_disk_ && !sync_.trouble().empty())
    return Unexpected(record_unavailable("events can not be synced: " + sync_.trouble()));
  place.taken = ring_.reserve();
  if (!place.taken && refuse_) return Unexpected(record_unavailable("the event ring is full"));
  return {};
}

std::span<const std::byte> EventLog::leave(exchange::RecordPlace& place, const Event& event) {
  bool taken = std::exchange(place.taken, false);
  bool usage = event.event_class == EventClass::kUsage;
  if (taken && !usage && ring_.free_places() < ring_.slots() / 4) {
    ring_.release();
    taken = false;
  }
  if (!taken) {
    dropped_.of(event.event_class).add();
    return {};
  }
  uint64_t number = write(event);
  written_.of(event.event_class).add();
  if (usage) sync_.changed(on_disk_);
  // Where records are counted rather than refused, an answer waits for no disk that fails.
  if (usage && on_disk_ && (refuse_ || sync_.trouble().empty()))
    place = {.receipt = &sync_, .number = number};
  return number == 0 ? std::span<const std::byte>() : ring_.last();
}

uint64_t EventLog::write(const Event& event) {
  if (WEIR_MUTATE(kEarlyAcknowledge)) {
    ring_.release();
    new LateAppend(loop_, ring_, event);
    return 0;
  }
  uint64_t number = ring_.append(event);
  if (WEIR_MUTATE(kDoubleRecord) && ring_.reserve()) ring_.append(event);
  return number;
}

std::vector<std::string> EventLog::not_ready() const {
  std::vector<std::string> reasons;
  if (refuse_ && ring_.free_places() == 0) reasons.emplace_back("the event ring is full");
  if (!sync_.trouble().empty()) reasons.emplace_back("events can not be synced; the log says why");
  return reasons;
}

std::vector<std::string> EventLog::warnings() const {
  if (refuse_ || ring_.free_places() > 0) return {};
  return {"the event ring is full: requests pass without a record"};
}

}  // namespace weir::pipeline
