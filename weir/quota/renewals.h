// Renewals: how a request on one core waits for a lease of a meter (Refusal::waits). Used on its own loop.
#pragma once

#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/quota/meter.h"

namespace weir::quota {

class Bank;

class Renewals {
 public:
  Renewals(io::Loop& loop, Bank& bank) : loop_(loop), bank_(bank) {}

  /// Asks the bank for what `meter` lacks and waits until it has asked the store for somebody, or for `most`.
  /// False: it was in vain, or `cancel` ended it.
  io::Task<bool> wait(Meter& meter, Duration most, io::Cancel& cancel);

  /// Only asks.
  void ask(Meter& meter);

  io::Loop& loop() { return loop_; }
  void renewed() { renewed_.notify(); }

 private:
  io::Loop& loop_;
  Bank& bank_;
  io::Event renewed_;
};

}  // namespace weir::quota
