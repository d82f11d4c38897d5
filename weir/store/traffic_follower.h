// TrafficFollower: keeps a TrafficStore at the heels of the records: one task on one loop, the store's calls
// on a worker. A store that fails is tried again; the charts are then older than they say they are, nothing
// else is.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/store/traffic_store.h"

namespace weir::store {

class TrafficFollower {
 public:
  struct Options {
    Duration every = seconds(2);
    Duration retry = seconds(10);
    Duration keep_ten_seconds = std::chrono::hours(8);
    Duration keep_minutes = std::chrono::days(8);
    Duration keep_hours = std::chrono::days(400);
  };
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  TrafficFollower(io::Loop& loop, std::shared_ptr<TrafficStore> store, Say say, Options options)
      : loop_(loop), store_(std::move(store)), say_(std::move(say)), options_(options) {}
  ~TrafficFollower();  // Requires: not started, or finish() ended

  void start() { tasks_.start(run()); }
  io::Task<void> finish();

 private:
  io::Task<void> run();
  Result<bool> round(bool expire, WallTime now);  // on a worker

  io::Loop& loop_;
  const std::shared_ptr<TrafficStore> store_;  // with the console's queries under way
  Say say_;
  const Options options_;
  io::Cancel ending_;
  io::TaskGroup tasks_;
};

}  // namespace weir::store
