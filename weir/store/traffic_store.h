// TrafficStore: what the console reads: sums over time (traffic.h), and single requests, newest
// first. follow() takes in what was stored since it was last called; it lags the records by its caller's
// pace, and starts again where it stopped after a crash. Blocks: used on worker threads. follow() by one
// caller at a time; the rest by any number at once, also while it runs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "weir/base/result.h"
#include "weir/store/traffic.h"

namespace weir::store {

struct TrafficQuery {
  int64_t from_s = 0, to_s = 0;  // Unix time; the first inclusive, the second not
  Grain grain = Grain::kMinute;
  std::optional<std::string> tenant;      // of this one only; as text or "": of none
  std::string model, provider, endpoint;  // empty: all
};

/// Where a request lies: the newest has the greatest. A page goes on below the last one it gave.
struct RequestPlace {
  int64_t segment = 0;
  int64_t index = 0;
  auto operator<=>(const RequestPlace&) const = default;
};

struct RequestFilter {
  int64_t from_unix_ns = 0, to_unix_ns = 0;
  std::optional<std::string> tenant;
  std::string model, provider, key, endpoint, reason;  // exact; empty: all. `model`: also as asked
  std::string id;                                      // begins so
  std::optional<Ending> ending;
  int64_t status = 0;          // 0: all
  int64_t slower_than_us = 0;  // whole duration
  int64_t cost_min_nanodollars = 0;
  bool failed = false;                // only those that neither ended well nor were left by their caller
  bool retried = false;               // only those
  std::optional<RequestPlace> below;  // only what lies below
  size_t limit = 50;
  size_t scan_max = 400'000;  // events looked at, about half a second
};

struct RequestPage {
  std::optional<RequestPlace> next;  // ask for what lies below; nullopt: nothing does
  uint64_t scanned = 0;
  bool stopped = false;  // at scan_max, with fewer than `limit` found
};

class TrafficStore {
 public:
  using VisitSums = std::function<void(int64_t at_s, const TrafficKey& key, const Sums& sums)>;
  using VisitRequest = std::function<void(RequestPlace place, const telemetry::Event& event)>;

  virtual ~TrafficStore() = default;
  /// Takes in a bounded amount of what was stored since. True: more is there.
  virtual Result<bool> follow() = 0;
  /// Sums of this grain from before this time are no longer wanted.
  virtual Result<void> expire(Grain grain, int64_t before_s) = 0;
  /// How many rows sums() would visit; at most `max` are counted.
  virtual Result<uint64_t> rows(const TrafficQuery& query, uint64_t max) = 0;
  /// In the order of time.
  virtual Result<void> sums(const TrafficQuery& query, const VisitSums& visit) = 0;
  /// Newest first, as they were stored; the event is borrowed for the call.
  virtual Result<RequestPage> requests(const RequestFilter& filter, const VisitRequest& visit) = 0;
  /// The request at a place, or nothing.
  virtual Result<bool> request(RequestPlace place, const VisitRequest& visit) = 0;
};

}  // namespace weir::store
