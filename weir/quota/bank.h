// Bank: fetches the leases of this replica's meters from the store that replicas share (store/lease_store.h).
// Lives on loop 0; a request never waits for it while its meters have something to draw from.
//
// A meter that is used has a turn every `turn`: it says what was spent, keeps a slice for about two seconds
// of what it used lately, at most a hundredth of the limit, and lets the rest go; one that nobody uses lets
// everything go after a second and is asked about no more. A request that finds the slice used up asks for a
// turn at once and waits (renewals.h).
//
// Store away: what is left of a lease is used until it ends; then, or when it is used up before, the meter
// goes on with its part of what nobody held when the store was asked last: divided by the replicas that there
// were, so together they pass no budget; a replica that is cut off alone may pass it by that part, which is
// counted. A replica that has never reached the store takes itself for one of three. Rates and streams are
// divided likewise. When the store is back every limited meter tells what it spent.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/io/loop.h"
#include "weir/quota/meter_table.h"
#include "weir/quota/renewals.h"
#include "weir/store/lease_store.h"
#include "weir/telemetry/metrics.h"

namespace weir::quota {

struct BankMetrics {
  telemetry::Family<telemetry::Counter> turns;
  telemetry::Family<telemetry::Counter> errors;
  telemetry::Family<telemetry::Gauge> alone;  // meters that go on without the store
  telemetry::Family<telemetry::Counter> unleased_money, unleased_tokens;  // spent by them
};
/// Registers the families. Once, before the first shard.
BankMetrics register_bank_metrics(telemetry::Registry& registry);

class Bank {
 public:
  /// What happened and whether it is bad: for the operator's log.
  using Say = std::function<void(bool bad, std::string_view sentence)>;
  struct Options {
    milliseconds lease = seconds(3);
    milliseconds turn = milliseconds(200);
    /// By so much a lease ends here before it ends in the store.
    milliseconds margin = milliseconds(250);
    milliseconds retry = milliseconds(500);  // the store is asked again after so long
  };
  Bank(io::Loop& loop, std::unique_ptr<store::LeaseStore> store, MeterTable& meters,
       telemetry::Registry& registry, const BankMetrics& metrics, Say say, Options options);
  Bank(const Bank&) = delete;
  Bank& operator=(const Bank&) = delete;
  /// Requires: finish() has ended, or start() was never called.
  ~Bank();

  /// `cores`: told after each call of the store, on their own loops. They outlive it.
  void start(std::vector<Renewals*> cores);
  /// Gives back what is held, when nothing is under way any more.
  io::Task<void> finish();

  /// Thread-safe. `meter` is of the table.
  void want(Meter& meter);

  /// Thread-safe. For /ready.
  std::vector<std::string> warnings() const;
  /// Spent while the store knew nothing of it, those not told yet included. Money, tokens. On loop 0.
  std::array<int64_t, store::kLeaseBudgets> unleased() const;
  /// Spent of leases and not told yet: what a crash now would keep from the store for a while. On loop 0.
  std::array<int64_t, store::kLeaseBudgets> at_risk() const;

 private:
  struct Record {
    Meter* meter = nullptr;
    bool active = false;  // has turns
    bool asked = false;   // somebody waits
    bool alone = false;
    bool quiet = false;                                 // nothing was used for a while
    bool holds = false;                                 // of a budget or of streams, as of the last answer
    std::array<int64_t, store::kLeaseBudgets> began{};  // spent, when the bank met it
    int64_t epoch = 0, turn = 0;
    int64_t day = 0;  // when it went alone
    MonoTime last_use, not_before;
    int64_t replicas = 0;                  // that share it; 0: not known yet
    MonoTime counted_at;                   // so many
    std::optional<store::LeaseTurn> told;  // what the last answer was to
    std::optional<store::LeaseGrant> grant;
    std::array<int64_t, store::kLeaseBudgets> used{}, flow{};
    std::array<int64_t, store::kLeaseRates> rates_used{}, rates_flow{};
  };
  class Clock final : public io::Timer {
   public:
    explicit Clock(Bank& bank) : bank_(bank) {}

   private:
    void on_timer() override { bank_.wanted_.notify(); }
    Bank& bank_;
  };

  Moment now() const { return Moment::at(loop_.now(), loop_.wall_now()); }
  Record& record(Meter& meter);
  void asked_for(Meter& meter);
  io::Task<void> keep();
  io::Task<void> round(bool all, bool last);
  void measure(Record& r, MonoTime at);
  Meter::Wants wants(const Record& r) const;
  void count_replicas(Record& r, int64_t granted);
  void take(Record& r, const store::LeaseTurn& turn, const store::LeaseGrant& grant, MonoTime until);
  void failed(const Error& error);
  void came_back();
  void go_alone(Record& r);
  void end_leases();
  void look_for_untold();
  void tell_cores();
  std::array<int64_t, store::kLeaseBudgets> untold(const Record& r) const;

  io::Loop& loop_;
  const std::unique_ptr<store::LeaseStore> store_;
  MeterTable& meters_;
  const Say say_;
  const Options options_;
  std::vector<Renewals*> cores_;
  std::unordered_map<Meter*, std::unique_ptr<Record>> records_;
  std::vector<Record*> active_;
  int64_t replicas_ = 3;  // as seen last
  bool down_ = false;
  Meter* missed_ = nullptr;  // one whose turn failed
  MonoTime retry_at_, full_at_, looked_at_, back_at_;
  std::string trouble_;  // what was said last
  std::atomic<bool> failing_{false};
  std::array<int64_t, store::kLeaseBudgets> unleased_{};
  io::Event wanted_;
  io::Cancel ending_;
  Clock clock_{*this};
  io::TaskGroup tasks_;
  telemetry::Counter turns_, errors_, unleased_money_, unleased_tokens_;
  telemetry::Gauge alone_;
};

}  // namespace weir::quota
