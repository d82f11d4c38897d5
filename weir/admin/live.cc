// GET /admin/v1/live.
#include "weir/admin/live.h"

#include <cmath>

#include "weir/io/loop.h"
#include "weir/io/timer.h"

namespace weir::admin {
namespace {

// Ends `scope` when another one ends.
struct Link final : io::CancelNode {
  explicit Link(io::Cancel& s) : scope(s) {}
  void on_cancel(io::CancelReason reason) override { scope.request(reason); }
  io::Cancel& scope;
};

}  // namespace

io::Task<void> LiveFeed::refresh() {
  MonoTime before = read_at_;
  if (before.ns != 0 && loop_.now() - before < options_.every - milliseconds(500)) co_return;
  read_at_ = loop_.now();  // first: others that come meanwhile take what is there
  Figures read = co_await io::offload(loop_, [this] {
    Figures f;
    for (const telemetry::SeriesView& series : metrics_.collect()) {
      if (series.family->name == "weir_requests_total") f.requests_total += series.value();
      if (series.family->name == "weir_requests_in_flight") f.in_flight += series.value();
    }
    return f;
  });
  double passed_s = static_cast<double>((read_at_ - before).count()) / 1e9;
  requests_per_s_ = before.ns != 0 && passed_s > 0 && passed_s < 60
                        ? (read.requests_total - now_.requests_total) / passed_s
                        : -1;
  now_ = read;
}

std::string LiveFeed::event(const Call& call) const {
  std::string text = "event: beat\ndata: ";
  json::Writer w(text);
  // The whole installation's figures are for those who may see all of it.
  bool everything = call.permits(accounts::Permission::kAllTenants);
  w.begin_object().member("unix_ms", loop_.wall_now().unix_ns / 1'000'000);
  w.key("in_flight");
  everything ? w.value(now_.in_flight) : w.null();
  w.key("requests_per_s");
  everything&& requests_per_s_ >= 0 ? w.value(std::round(requests_per_s_ * 10) / 10) : w.null();
  w.key("warnings").begin_array();
  if (everything && call.world.warnings)
    for (const std::string& warning : call.world.warnings())
      w.value(warning);
  w.end_array().member("version", WEIR_VERSION).end_object();
  return text + "\n\n";
}

io::Task<Result<Answer>> LiveFeed::subscribe(Call& call) {
  if (ending_.requested())
    co_return fail(ErrorCode::kUnavailable, "This gateway is draining.", {}, "draining");
  CO_TRY(int64_t events_max, call.query_integer("events", 0, 0, 1'000'000));
  if (subscribers_ >= options_.subscribers_max)
    co_return fail(ErrorCode::kUnavailable, "Too many consoles are watching already.", {},
                   "too_many_watchers");
  ++subscribers_;
  struct Leave {
    size_t& count;
    ~Leave() { --count; }
  } leave{subscribers_};
  io::Cancel scope(call.request.cancel);
  Link link(scope);
  ending_.add(link);
  std::array<Header, 3> headers{Header{"content-type", "text/event-stream"},
                                Header{"cache-control", "no-store"}, Header{"x-accel-buffering", "no"}};
  call.response.begin(200, headers);
  do {
    co_await refresh();
    if (scope.requested() || !co_await call.response.write(event(call))) break;
  } while (--events_max != 0 && co_await io::sleep(loop_, options_.every, scope));
  // A client that left is no error; a drain ends the stream well.
  if (!call.request.cancel.requested()) co_await call.response.end("event: end\ndata: {}\n\n");
  Answer answer;
  answer.sent = true;
  co_return answer;
}

template <>
io::Task<Result<Answer>> serve<Route::kLive>(Call& call) {
  if (!call.world.live)
    co_return fail(ErrorCode::kNotFound, "There is nothing to watch here.", {}, "unknown_path");
  co_return co_await call.world.live->subscribe(call);
}

}  // namespace weir::admin
