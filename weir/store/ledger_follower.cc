#include "weir/store/ledger_follower.h"

#include <fmt/format.h>

#include <tuple>

#include "weir/base/assert.h"

namespace weir::store {

constexpr Duration kFoldEvery = std::chrono::hours(1);

LedgerFollowerMetrics register_ledger_follower_metrics(telemetry::Registry& registry) {
  LedgerFollowerMetrics m;
  m.rows =
      registry.add_counter("weir_shared_ledger_rows_total", "Sums that were handed on to the shared ledger.");
  m.errors = registry.add_counter("weir_shared_ledger_errors_total", "Tries to hand sums on that failed.");
  m.behind =
      registry.add_gauge("weir_shared_ledger_behind",
                         "1: the last try failed, what was used lately is not in the shared ledger yet.");
  return m;
}

LedgerFollower::LedgerFollower(io::Loop& loop, std::unique_ptr<LedgerSource> source,
                               std::shared_ptr<SharedLedger> shared,
                               std::shared_ptr<std::atomic<int64_t>> kept_from, telemetry::Registry& registry,
                               const LedgerFollowerMetrics& metrics, Say say, Options options)
    : loop_(loop),
      source_(std::move(source)),
      shared_(std::move(shared)),
      kept_from_(std::move(kept_from)),
      say_(std::move(say)),
      options_(std::move(options)) {
  telemetry::Shard& shard = registry.add_shard();
  std::tie(rows_, errors_) = shard.series_of({}, metrics.rows, metrics.errors);
  behind_ = shard.series(metrics.behind, {});
}

LedgerFollower::~LedgerFollower() {
  WEIR_ASSERT(tasks_.running() == 0);
}

Result<LedgerFollower::Round> LedgerFollower::round() {
  if (!known_) {
    TRY(taken_, shared_->taken(source_->file()));
    known_ = true;
  }
  TRY(LedgerPart part, source_->read(taken_));
  if (taken_ && part.segment == *taken_) {
    kept_from_->store(*taken_ + 1);
    return Round{};
  }
  // Whether it was done is asked anew when this call has no good end.
  known_ = false;
  TRY(bool took, shared_->take(source_->file(), options_.replica, part));
  if (!took) return Round{.more = true};
  known_ = true;
  taken_ = part.segment;
  kept_from_->store(part.segment + 1);
  return Round{part.more, part.rows.size(), part.missing};
}

void LedgerFollower::settle(Result<Round> done) {
  if (!done) {
    errors_.add();
    behind_.set(1);
    bool known = trouble_.load() != nullptr;
    trouble_.store(std::make_shared<const std::string>(done.error().message));
    if (!known) say_(true, fmt::format("the shared ledger is behind: {}", done.error().message));
    return;
  }
  rows_.add(static_cast<double>(done->rows));
  behind_.set(0);
  if (done->missing > 0)
    say_(true, fmt::format(
                   "{} segments of events were removed before the shared ledger had them: it lacks what they "
                   "cost",
                   done->missing));
  if (!trouble_.load()) return;
  trouble_.store(nullptr);
  say_(false, "the shared ledger is kept up again");
}

Result<void> LedgerFollower::catch_up() {
  for (;;) {
    TRY(Round done, round());
    bool more = done.more;
    settle(done);
    if (!more) return {};
  }
}

io::Task<void> LedgerFollower::run() {
  MonoTime fold_at = loop_.now();
  while (!ending_.requested()) {
    Result<Round> done = co_await io::offload(loop_, [this] { return round(); });
    bool failed = !done, more = done && done->more;
    settle(std::move(done));
    if (more) continue;
    if (!failed && options_.fold_after > Duration{0} && loop_.now() >= fold_at) {
      WallTime before{loop_.wall_now().unix_ns - options_.fold_after.count()};
      if (co_await io::offload(loop_, [this, before] { return shared_->fold(before); }))
        fold_at = loop_.now() + kFoldEvery;
      else
        errors_.add();
    }
    if (!co_await io::sleep(loop_, failed ? options_.retry : options_.every, ending_)) break;
  }
}

io::Task<void> LedgerFollower::finish() {
  ending_.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
  for (bool more = true; more;) {
    Result<Round> done = co_await io::offload(loop_, [this] { return round(); });
    more = done && done->more;
    settle(std::move(done));
  }
}

std::string LedgerFollower::trouble() const {
  auto text = trouble_.load();
  return text ? *text : std::string();
}

}  // namespace weir::store
