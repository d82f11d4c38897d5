// LedgerFollower: keeps the shared ledger at the heels of this replica's records: one task on one loop, the
// stores' calls on a worker. While the shared ledger is away the records stay (kept_from() holds the expiry
// of events back) and it catches up later; requests know nothing of it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/store/shared_ledger.h"
#include "weir/telemetry/metrics.h"

namespace weir::store {

struct LedgerFollowerMetrics {
  telemetry::Family<telemetry::Counter> rows;    // sums handed on
  telemetry::Family<telemetry::Counter> errors;  // rounds that failed
  telemetry::Family<telemetry::Gauge> behind;    // 1: what was used lately is not in the shared ledger
};
/// Registers the families. Once, before the first shard.
LedgerFollowerMetrics register_ledger_follower_metrics(telemetry::Registry& registry);

class LedgerFollower {
 public:
  struct Options {
    std::string replica;  // for people who look into the ledger
    Duration every = milliseconds(500);
    Duration retry = seconds(2);
    Duration fold_after{0};  // 0: details are kept for good
  };
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  LedgerFollower(io::Loop& loop, std::unique_ptr<LedgerSource> source, std::shared_ptr<SharedLedger> shared,
                 std::shared_ptr<std::atomic<int64_t>> kept_from, telemetry::Registry& registry,
                 const LedgerFollowerMetrics& metrics, Say say, Options options);
  ~LedgerFollower();  // Requires: not started, or finish() ended

  /// Hands on all that there is. Blocks; before start(). Errors: the stores'.
  Result<void> catch_up();
  void start() { tasks_.start(run()); }
  /// One last round, as far as the database answers, then the end. Requires: the drainer has ended.
  io::Task<void> finish();

  /// Why the shared ledger is behind; empty: it is not. Thread-safe.
  std::string trouble() const;

 private:
  struct Round {
    bool more = false;
    size_t rows = 0;
    int64_t missing = 0;
  };
  Result<Round> round();            // on a worker
  void settle(Result<Round> done);  // on the loop
  io::Task<void> run();

  io::Loop& loop_;
  const std::unique_ptr<LedgerSource> source_;
  const std::shared_ptr<SharedLedger> shared_;             // with who asks it
  const std::shared_ptr<std::atomic<int64_t>> kept_from_;  // with the store of events
  const Say say_;
  const Options options_;
  telemetry::Counter rows_, errors_;
  telemetry::Gauge behind_;
  bool known_ = false;  // taken_ is what the shared ledger says
  std::optional<int64_t> taken_;
  std::atomic<std::shared_ptr<const std::string>> trouble_;  // read by every core
  io::Cancel ending_;
  io::TaskGroup tasks_;
};

}  // namespace weir::store
