// GroupSync: brings the durable events of one core's ring to the device, many with one sync. One sync runs at
// a time, on a worker; it covers what the ring held when it began. Used on its loop only.
//
// How long an event waits for a sync to begin: at most `delay` (within the timer wheel's tick), or not at all
// where somebody waits for it; what comes while one runs is covered by the next.
//
// A sync also prepares the slots that come next, so that the loop's stores meet no page fault.
//
// A sync copies what is new in the ring into the ring's saved file (ring_file.h), except what the store has
// already. One that fails is tried again every second, from its begin: Linux forgets after the first error
// which pages it could not write.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "weir/exchange/receipt.h"
#include "weir/io/loop.h"
#include "weir/telemetry/event_ring.h"
#include "weir/telemetry/metrics.h"

namespace weir::pipeline {

class GroupSync final : public exchange::Receipt, io::Timer {
 public:
  struct Metrics {
    telemetry::Histogram seconds;
    telemetry::Counter errors;
  };
  /// Sentences for the operator's log: when syncs begin to fail, when they work again.
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  /// `memory` and `saved` are the ring's; all outlive this.
  GroupSync(io::Loop& loop, io::MappedFile& memory, io::MappedFile& saved, telemetry::EventRing& ring,
            Metrics metrics, Say say);
  ~GroupSync();  // Requires: nothing under way (never used, or finish() ended)

  void set_delay(Duration delay) { delay_ = delay; }
  /// Those who wait are told of a sync that failed (default), or let pass: the failure is counted.
  void set_strict(bool strict) { strict_ = strict; }
  /// The ring holds a durable event that was not there before. `awaited`: somebody waits for it.
  void changed(bool awaited);

  /// Ends when a sync failed or after ten seconds: a caller should not wait longer for a disk that hangs.
  io::Task<Result<void>> settled(uint64_t number, io::Cancel& cancel) override;

  /// Why the last sync failed; empty: it did not.
  const std::string& trouble() const { return trouble_; }

  /// A last sync of what is in the ring. Nothing is appended any more.
  io::Task<void> finish();

 private:
  void on_timer() override { begin(); }
  void begin() { tasks_.start(sync()); }
  io::Task<void> sync();
  Result<void> save(uint64_t from, uint64_t to, bool ahead);
  void settle(const Result<void>& done);

  io::Loop& loop_;
  io::MappedFile& memory_;
  io::MappedFile& saved_;
  telemetry::EventRing& ring_;
  Metrics metrics_;
  Say say_;
  Duration delay_ = milliseconds(5);
  bool strict_ = true;

  uint64_t ahead_to_ = 0;  // the memory of slots before it was prepared, at:
  MonoTime ahead_at_;
  uint64_t synced_ = 1;  // every event before it is on the device
  uint64_t failures_ = 0;
  bool running_ = false;
  bool wanted_ = false;   // a durable event came after the last sync began
  bool awaited_ = false;  // and somebody waits for it
  bool finishing_ = false;
  std::string trouble_;
  io::Event ended_;  // a sync
  io::TaskGroup tasks_;
};

}  // namespace weir::pipeline
