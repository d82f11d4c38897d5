#include "weir/pipeline/record/group_sync.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/mutation.h"

namespace weir::pipeline {
namespace {

// 1 MB: 35 ms at 60,000 events a second, and a sync comes each 8. Again when half of it is used, and after a
// second: the system may have written the pages back by itself.
constexpr size_t kAheadEvents = 2048;
constexpr Duration kAheadFor = seconds(1);
constexpr Duration kRetry = seconds(1);
constexpr Duration kWaitMax = seconds(10);

}  // namespace

GroupSync::GroupSync(io::Loop& loop, io::MappedFile& memory, io::MappedFile& saved,
                     telemetry::EventRing& ring, Metrics metrics, Say say)
    : loop_(loop),
      memory_(memory),
      saved_(saved),
      ring_(ring),
      metrics_(metrics),
      say_(std::move(say)),
      synced_(ring.next()) {}

GroupSync::~GroupSync() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void GroupSync::changed(bool awaited) {
  wanted_ = true;
  awaited_ = awaited_ || awaited;
  if (running_ || finishing_ || !trouble_.empty()) return;  // whoever ends that looks again
  if (awaited_) return begin();
  // The wheel is up to a tick late.
  constexpr Duration kTick(io::TimerWheel::kTickNs);
  if (!armed()) loop_.arm(*this, std::max(delay_ - kTick, Duration(0)));
}

io::Task<void> GroupSync::sync() {
  disarm();
  running_ = true;
  wanted_ = awaited_ = false;
  uint64_t covered = ring_.next(), from = std::max(synced_, ring_.drained());
  MonoTime began = loop_.now();
  bool ahead = covered + kAheadEvents / 2 >= ahead_to_ || began - ahead_at_ >= kAheadFor;
  if (ahead) {
    ahead_to_ = covered + kAheadEvents;
    ahead_at_ = began;
  }
  Result<void> done;
  if (!WEIR_MUTATE(kSkippedSync))
    done = co_await io::offload(loop_, [this, from, covered, ahead] { return save(from, covered, ahead); });
  running_ = false;
  metrics_.seconds.record(to_seconds(loop_.now() - began));
  if (done) synced_ = covered;
  settle(done);
}

// On a worker. The store may have an event meanwhile and the loop its slot: then it is copied torn, and
// nobody will ask for it.
Result<void> GroupSync::save(uint64_t from, uint64_t to, bool ahead) {
  while (from < to) {
    telemetry::EventRing::Run run = ring_.run(from, to);
    TRY_VOID(saved_.write(run.at, run.bytes));
    from += run.events;
  }
  if (ahead) memory_.prepare(ring_.run(to, to + kAheadEvents).bytes);
  return {};
}

void GroupSync::settle(const Result<void>& done) {
  if (!done) {
    ++failures_;
    metrics_.errors.add();
    wanted_ = true;
    if (trouble_.empty()) say_(true, fmt::format("events can not be synced: {}", done.error().message));
    trouble_ = done.error().message;
  } else if (!trouble_.empty()) {
    trouble_.clear();
    say_(false, "events are synced again");
  }
  ended_.notify();  // answers end here, and may have begun another sync when it returns
  if (finishing_ || running_ || armed() || !wanted_) return;
  if (!trouble_.empty())
    loop_.arm(*this, kRetry);
  else
    changed(awaited_);
}

io::Task<Result<void>> GroupSync::settled(uint64_t number, io::Cancel& cancel) {
  io::Cancel scope(cancel);
  io::Timeout limit(scope, io::CancelReason::kTotalTimeout);
  loop_.arm(limit, kWaitMax);
  uint64_t failures = failures_;
  while (synced_ <= number) {
    bool told = failures_ == failures && co_await ended_.wait(scope);
    if (told) continue;
    if (cancel.requested()) co_return fail(ErrorCode::kCancelled, "the client left");
    if (!strict_) break;
    Error e = make_error(ErrorCode::kUnavailable,
                         "The answer is complete, but its record could not be brought to the disk.", {},
                         "record_unavailable");
    e.retry_after_s = 1;
    co_return Unexpected(std::move(e));
  }
  co_return Result<void>{};
}

io::Task<void> GroupSync::finish() {
  finishing_ = true;
  disarm();
  co_await tasks_.idle();
  if (synced_ < ring_.next()) co_await sync();
}

}  // namespace weir::pipeline
