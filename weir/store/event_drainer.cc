#include "weir/store/event_drainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "weir/base/assert.h"
#include "weir/store/segment.h"
#include "weir/telemetry/event.h"

namespace weir::store {
namespace {

constexpr Duration kExpireEvery = std::chrono::hours(1);
// Also after this much was stored, or a busy gateway would leave its bound far behind between two hours.
constexpr uint64_t kExpireAfterBytes = 32 << 20;

// The bounds of the events' times; `otherwise` when none can be read.
void note_times(EventBatch& batch, WallTime otherwise) {
  int64_t low = std::numeric_limits<int64_t>::max(), high = std::numeric_limits<int64_t>::min();
  SegmentReader reader(batch.bytes);
  while (auto stored = reader.next()) {
    auto received = telemetry::received_of(stored->bytes);
    if (!received) continue;
    low = std::min(low, *received);
    high = std::max(high, *received);
  }
  bool none = low > high;
  batch.time_min_unix_ns = none ? otherwise.unix_ns : low;
  batch.time_max_unix_ns = none ? otherwise.unix_ns : high;
}

void tell(const EventBatch& batch, const std::function<void(const telemetry::Event&)>& stored) {
  SegmentReader reader(batch.bytes);
  while (auto record = reader.next())
    if (auto event = telemetry::decode(record->bytes)) stored(*event);
}

}  // namespace

DrainerMetrics register_drainer_metrics(telemetry::Registry& registry) {
  DrainerMetrics m;
  m.stored = registry.add_counter("weir_events_stored_total", "Request records moved into the event store.");
  m.errors = registry.add_counter("weir_event_store_errors_total", "Calls of the event store that failed.");
  m.damaged = registry.add_counter("weir_events_damaged_total",
                                   "Request records that a power cut destroyed before they were stored.");
  m.expired = registry.add_counter("weir_events_expired_total",
                                   "Request records removed by age or size of the event store.");
  m.waiting = registry.add_gauge("weir_events_waiting", "Request records not yet in the event store.");
  return m;
}

EventDrainer::EventDrainer(io::Loop& loop, std::unique_ptr<EventStore> store, std::vector<Ring> rings,
                           std::vector<FormerRing> former, telemetry::Registry& registry,
                           const DrainerMetrics& metrics, Say say, Options options)
    : loop_(loop), store_(std::move(store)), say_(std::move(say)), options_(std::move(options)) {
  for (Ring& ring : rings)
    rings_.push_back({std::move(ring.name), ring.ring});
  for (FormerRing& ring : former) {
    former_.push_back(std::move(ring));
    rings_.push_back({former_.back().name, &former_.back().ring});
  }
  telemetry::Shard& shard = registry.add_shard();
  std::tie(stored_, errors_, damaged_, expired_) =
      shard.series_of({}, metrics.stored, metrics.errors, metrics.damaged, metrics.expired);
  waiting_ = shard.series(metrics.waiting, {});
}

EventDrainer::~EventDrainer() {
  WEIR_ASSERT(tasks_.running() == 0);
}

// ------------------------------------------------------------------------------------- start

Result<void> EventDrainer::prepare() {
  if (prepared_) return {};
  for (Drained& ring : rings_)
    TRY_VOID(agree(ring));
  prepared_ = true;
  return {};
}

void EventDrainer::read_waiting(const std::function<void(const telemetry::Event&)>& take) {
  WEIR_ASSERT(prepared_ && tasks_.running() == 0);
  std::vector<std::byte> bytes;
  for (const Drained& ring : rings_)
    for (uint64_t at = ring.position; at < ring.ring->next();) {
      uint64_t events = 0, damaged = 0;
      bytes.clear();
      at = ring.ring->read(at, options_.events_max, bytes, events, damaged);
      SegmentReader reader(bytes);
      while (auto stored = reader.next())
        if (auto event = telemetry::decode(stored->bytes)) take(*event);
    }
}

Result<void> EventDrainer::start() {
  TRY_VOID(prepare());
  expire_at_ = loop_.now();
  tasks_.start(run());
  return {};
}

// The store may know more than the ring (a power cut, a file that was removed: EventRing::resume_at), or
// less: events.db was removed, and what the ring gave away before went with it.
Result<void> EventDrainer::agree(Drained& ring) {
  TRY(ring.position, store_->position(ring.name));
  ring.ring->resume_at(ring.position);
  uint64_t drained = ring.ring->drained();
  if (drained > ring.position) {
    say_(true,
         fmt::format("the event store has ring {} up to {}, but it was stored up to {}: the store's file is "
                     "not the one it was; going on with what is there",
                     ring.name, ring.position, drained));
    EventBatch gone;
    gone.ring = ring.name;
    gone.first = ring.position;
    gone.next = drained;
    TRY_VOID(store_->append({&gone, 1}));
    ring.position = drained;
  }
  return {};
}

// ------------------------------------------------------------------------------------ storing

uint64_t EventDrainer::waiting() const {
  uint64_t sum = 0;
  for (const Drained& ring : rings_)
    sum += ring.ring->next() - ring.position;
  return sum;
}

io::Task<void> EventDrainer::run() {
  Duration backoff{0};
  for (;;) {
    bool more = false;
    if (waiting() > 0) {
      round_began_ = loop_.wall_now();
      Round round = co_await io::offload(loop_, [this] { return store_round(); });
      settle(round);
      more = round.more;
      if (round.error)
        backoff = std::clamp(backoff * 2, options_.retry_min, options_.retry_max);
      else
        backoff = Duration{0};
    }
    waiting_.set(static_cast<double>(waiting()));
    if (backoff == Duration{0}) remove_former();
    if (end_by_ && (waiting() == 0 || loop_.now() >= *end_by_)) co_return;
    if (backoff == Duration{0} && !end_by_ &&
        (loop_.now() >= expire_at_ || stored_bytes_ >= kExpireAfterBytes))
      co_await expire();
    if (backoff > Duration{0} || !more) {
      Duration longest = std::max(backoff, options_.every);
      co_await pause(end_by_ ? std::min(longest, *end_by_ - loop_.now()) : longest);
    }
  }
}

// Reads rings and hands the store one transaction of at most events_max.
EventDrainer::Round EventDrainer::store_round() {
  Round round;
  std::vector<EventBatch> batches;
  std::vector<size_t> ends;  // of each batch in buffer_, which moves while it grows
  buffer_.clear();
  size_t room = options_.events_max;
  size_t i = 0;
  for (; i < rings_.size() && room > 0; ++i) {
    Drained& ring = rings_[(turn_ + i) % rings_.size()];
    ring.next = ring.position;
    if (ring.ring->next() == ring.position) continue;
    EventBatch batch;
    batch.ring = ring.name;
    batch.first = ring.position;
    batch.next = ring.next = ring.ring->read(ring.position, room, buffer_, batch.events, round.damaged);
    room -= std::min<size_t>(room, batch.events);
    round.events += batch.events;
    batches.push_back(std::move(batch));
    ends.push_back(buffer_.size());
  }
  round.more = room == 0;
  for (size_t j = i; j < rings_.size(); ++j) {  // not this time
    Drained& ring = rings_[(turn_ + j) % rings_.size()];
    ring.next = ring.position;
  }
  if (!rings_.empty()) turn_ = (turn_ + i) % rings_.size();
  round.bytes = buffer_.size();
  for (size_t b = 0; b < batches.size(); ++b) {
    size_t begin = b == 0 ? 0 : ends[b - 1];
    batches[b].bytes = std::span(buffer_).subspan(begin, ends[b] - begin);
    note_times(batches[b], round_began_);
  }
  if (auto done = store_->append(batches); !done) {
    round.error = std::move(done).error();
    return round;
  }
  if (options_.stored)
    for (const EventBatch& batch : batches)
      tell(batch, options_.stored);
  return round;
}

void EventDrainer::settle(const Round& round) {
  if (round.error) return fail(*round.error);
  for (Drained& ring : rings_) {
    if (ring.next == ring.position) continue;
    ring.position = ring.next;
    ring.ring->set_drained(ring.position);
  }
  stored_.add(static_cast<double>(round.events));
  damaged_.add(static_cast<double>(round.damaged));
  stored_bytes_ += round.bytes;
  if (trouble_.load()) {
    trouble_.store(nullptr);
    say_(false, "events are stored again");
  }
}

void EventDrainer::fail(const Error& error) {
  errors_.add();
  bool known = trouble_.load() != nullptr;
  trouble_.store(std::make_shared<const std::string>(error.message));
  if (!known) say_(true, fmt::format("events are not stored, they wait in their rings: {}", error.message));
}

std::string EventDrainer::trouble() const {
  auto text = trouble_.load();
  return text ? *text : std::string();
}

// A former ring that is empty has done its work.
void EventDrainer::remove_former() {
  for (auto former = former_.begin(); former != former_.end();) {
    auto mine = std::ranges::find(rings_, &former->ring, &Drained::ring);
    if (former->ring.next() != mine->position) {
      ++former;
      continue;
    }
    for (const std::string& path : former->paths)
      loop_.disk().remove(path);
    rings_.erase(mine);
    former = former_.erase(former);
  }
}

// ----------------------------------------------------------------------------- expiry, pauses

io::Task<void> EventDrainer::expire() {
  const Retention keep = options_.retention;
  int64_t now = loop_.wall_now().unix_ns;
  WallTime before{keep.age_max > Duration{0} ? now - keep.age_max.count()
                                             : std::numeric_limits<int64_t>::min()};
  uint64_t bytes_max = keep.bytes_max > 0 ? keep.bytes_max : std::numeric_limits<uint64_t>::max();
  auto removed =
      co_await io::offload(loop_, [this, before, bytes_max] { return store_->expire(before, bytes_max); });
  stored_bytes_ = 0;
  expire_at_ = loop_.now() + kExpireEvery;
  if (!removed) {
    errors_.add();  // the events are stored all the same: no trouble yet, and a full disk will say so
    co_return;
  }
  if (keep.ledger_age_max > Duration{0}) {
    WallTime fold_before{now - keep.ledger_age_max.count()};
    if (!co_await io::offload(loop_, [this, fold_before] { return store_->fold_ledger(fold_before); }))
      errors_.add();
  }
  expired_.add(static_cast<double>(*removed));
  if (*removed > 0) expire_at_ = loop_.now();  // there may be more; after the next round
}

io::Task<void> EventDrainer::pause(Duration longest) {
  io::Cancel woken;
  pausing_ = &woken;
  co_await io::sleep(loop_, longest, woken);
  pausing_ = nullptr;
}

void EventDrainer::nudge() {
  if (pausing_) std::exchange(pausing_, nullptr)->request(io::CancelReason::kAbandoned);
}

io::Task<void> EventDrainer::finish(Duration bound) {
  end_by_ = loop_.now() + bound;
  nudge();
  co_await tasks_.idle();
}

}  // namespace weir::store
