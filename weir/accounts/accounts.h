// Accounts: keeps every core's snapshot of the accounts true to the store. Reads the store at the start,
// looks at its version every `poll`, and when it has grown reads everything, builds a Directory on a worker
// thread and hands it to each core. A store that can not be read leaves the snapshot as it is: known keys go
// on, nothing is added, and it says so. It also removes what the audit log need not hold any more. Lives on
// loop 0; refresh() is for every loop.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/accounts/directory.h"
#include "weir/accounts/pepper.h"
#include "weir/base/secret.h"
#include "weir/io/loop.h"
#include "weir/store/account_store.h"
#include "weir/telemetry/metrics.h"

namespace weir::accounts {

struct AccountMetrics {
  telemetry::Family<telemetry::Gauge> keys;       // that may be used, as of the last reading
  telemetry::Family<telemetry::Counter> changes;  // snapshots that were taken
  telemetry::Family<telemetry::Counter> errors;   // readings of the store that failed
};
/// Registers the families. Once, before the first shard.
AccountMetrics register_account_metrics(telemetry::Registry& registry);

class Accounts {
 public:
  /// What happened and whether it is bad: for the operator's log.
  using Say = std::function<void(bool bad, std::string_view sentence)>;
  struct Core {
    io::Loop* loop;
    std::function<void(std::shared_ptr<const Directory>)> take;  // called on that loop
  };
  struct Options {
    Duration poll = seconds(1);
    std::string env = "live";  // of new keys
    Duration audit_keep{0};    // how long rows of the audit log are kept; 0: for good
  };

  Accounts(io::Loop& loop, std::shared_ptr<store::AccountStore> store, std::shared_ptr<const Peppers> peppers,
           MeterOf meter_of, telemetry::Registry& registry, const AccountMetrics& metrics, Say say,
           Options options);
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;
  /// Requires: finish() has ended, or start() was never called.
  ~Accounts();

  /// Before anything runs: reads the store; where there is no owner yet, makes the first tenant, its owner
  /// and a key, which is answered this once. Blocks. Errors: kIo.
  Result<std::optional<Secret>> begin();
  /// From now on the cores are told. What begin() read they are told at once: set it by take() before.
  void start(std::vector<Core> cores);
  /// As of begin(), or the last reading. On loop 0, or before it runs.
  const std::shared_ptr<const Directory>& directory() const { return directory_; }
  io::Task<void> finish();

  store::AccountStore& store() { return *store_; }
  const Peppers& peppers() const { return *peppers_; }
  const Options& options() const { return options_; }

  /// co_await accounts.refresh(loop): resumes on `loop`, which calls, when every core of this process judges
  /// by what the store held when it was called. False: the store could not be read.
  class Refresh {
   public:
    Refresh(Accounts& accounts, io::Loop& from) : accounts_(accounts), from_(from) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    bool await_resume() const { return fresh_; }

   private:
    friend class Accounts;
    Accounts& accounts_;
    io::Loop& from_;
    std::coroutine_handle<> waiter_;
    bool fresh_ = false;
  };
  Refresh refresh(io::Loop& from) { return {*this, from}; }

  /// What is wrong, one sentence each, without names. Thread-safe.
  std::vector<std::string> warnings() const;

 private:
  class Poll final : public io::Timer {
   public:
    explicit Poll(Accounts& accounts) : accounts_(accounts) {}

   private:
    void on_timer() override { accounts_.wanted_.notify(); }
    Accounts& accounts_;
  };

  io::Task<void> keep();
  io::Task<void> look();
  io::Task<void> expire();
  io::Task<void> expire_now();
  void publish(std::vector<Refresh*> waiting);
  void take(std::shared_ptr<const Directory> directory);
  void failed(const Error& error);

  io::Loop& loop_;
  const std::shared_ptr<store::AccountStore> store_;
  const std::shared_ptr<const Peppers> peppers_;
  const MeterOf meter_of_;
  const Say say_;
  const Options options_;
  std::vector<Core> cores_;
  std::shared_ptr<const Directory> directory_;
  uint64_t read_version_ = 0;      // that the directory shows
  std::vector<Refresh*> waiting_;  // each lives in the frame that waits
  io::Event wanted_;
  io::Cancel ending_;
  Poll poll_{*this};
  io::TaskGroup tasks_;
  std::string trouble_;  // what was said last
  std::atomic<bool> failing_{false};
  std::atomic<size_t> publishing_{0};  // cores that are about to take a directory
  telemetry::Gauge keys_;
  telemetry::Counter changes_, errors_;
};

}  // namespace weir::accounts
