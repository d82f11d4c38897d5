// TraceLog: which finished requests become spans, decided when they are over (tail sampling): every failure,
// the slowest hundredth, a share of all, drawn by the trace's own name so that every service keeps the same
// ones, and what the caller keeps. One a core; hands on what it has each second, or when it is much.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "weir/exchange/exchange.h"
#include "weir/io/loop.h"
#include "weir/pipeline/record/spans_of.h"

namespace weir::pipeline {

/// The slowest hundredth of the last thousand.
class SlowestShare {
 public:
  /// Is it among the slowest? Of the first 128 nobody knows.
  bool add(Duration took);

 private:
  static constexpr size_t kKept = 1024;
  static constexpr size_t kRefresh = 128;
  std::vector<int64_t> last_ns_;
  size_t seen_ = 0;
  int64_t bound_ns_ = INT64_MAX;
};

class TraceLog {
 public:
  using Ship = std::function<void(std::vector<telemetry::Span> spans)>;
  struct Options {
    double share = 0.01;     // of all requests
    size_t spans_max = 512;  // held before they are handed on
  };
  TraceLog(io::Loop& loop, Options options, Ship ship)
      : loop_(loop), options_(options), ship_(std::move(ship)) {}
  TraceLog(const TraceLog&) = delete;
  TraceLog& operator=(const TraceLog&) = delete;

  void take(const exchange::Exchange& exchange, MonoTime end, WallTime wall_end);
  /// Hands on what it holds.
  void flush();

 private:
  class Flush final : public io::Timer {
   public:
    explicit Flush(TraceLog& log) : log_(log) {}

   private:
    void on_timer() override { log_.flush(); }
    TraceLog& log_;
  };
  bool keeps(const exchange::Exchange& exchange, const TraceContext& context, Duration took);

  io::Loop& loop_;
  const Options options_;
  const Ship ship_;
  SlowestShare slowest_;
  std::vector<telemetry::Span> spans_;
  Flush flush_{*this};
};

/// Is a trace of this name among `share` of all?
bool in_share(const TraceContext::TraceId& trace, double share);

}  // namespace weir::pipeline
