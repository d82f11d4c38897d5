#include "weir/app/sim/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "weir/pipeline/record/ring_file.h"
#include "weir/store/sqlite/event_table.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/sqlite/sqlite_ledger.h"

namespace weir::app::sim {

using store::sqlite::Database;
using store::sqlite::Statement;

Result<std::vector<Record>> read_records(size_t replica, int loops, io::Disk& disk) {
  std::string directory(kDataDirectory);
  for (int k = 0; k < loops; ++k) {
    std::string path = fmt::format("{}/events/ring-{}", directory, k);
    TRY(auto opened, pipeline::open_ring(
                         disk, path, telemetry::EventRing::kHeaderBytes + telemetry::EventRing::kSlotBytes));
    if (uint64_t left = opened.ring.next() - opened.ring.drained(); left > 0)
      return fail_internal(ErrorCode::kIo, fmt::format("{} holds {} events that are not stored", path, left));
  }
  Database::Options options{.path = directory + "/events.db", .vfs = disk.sqlite_vfs()};
  TRY(auto db, store::sqlite::open_events_for_reading(std::move(options)));
  TRY_VOID(store::sqlite::add_event_table(*db));
  TRY(Statement rows, db->prepare("SELECT ring, sequence, request_id, model_asked, outcome, status, "
                                  "coalesce(output_tokens, -1), first_byte_us IS NOT NULL, "
                                  "iif(class = 'usage', coalesce(input_tokens, 0) + coalesce(output_tokens, "
                                  "0), 0) FROM events"));
  std::vector<Record> records;
  for (;;) {
    TRY(bool row, rows.step());
    if (!row) return records;
    records.push_back({replica, std::string(rows.text(0)), rows.integer(1), std::string(rows.text(2)),
                       std::string(rows.text(3)), std::string(rows.text(4)), rows.integer(5), rows.integer(6),
                       rows.integer(8), rows.integer(7) != 0});
  }
}

Result<int64_t> ledger_tokens(io::Disk& disk) {
  store::sqlite::SqliteLedger ledger(
      {.path = std::string(kDataDirectory) + "/events.db", .vfs = disk.sqlite_vfs()});
  TRY(auto sums, ledger.usage({.to_s = std::numeric_limits<int64_t>::max()}));
  return sums.front().input_tokens + sums.front().output_tokens;
}

namespace {

class Audit {
 public:
  Audit(Ledger& ledger, const Troubles& troubles, const std::vector<Record>& records)
      : ledger_(ledger), troubles_(troubles), plan_(troubles.plan()), records_(records) {}

  void run() {
    check_places();
    for (const Record& r : records_)
      by_id_.emplace(r.request_id, &r);
    std::set<std::string_view> called;
    for (const Case& c : ledger_.cases()) {
      if (!c.called_id.empty()) called.insert(c.called_id);
      check(c);
    }
    for (const Record& r : records_)
      if (r.answered && !called.contains(r.request_id) && !ledger_.asked_without_case(r.request_id))
        ledger_.violated(
            fmt::format("weir-{} has a record of an answer to {}, which no model server was asked for",
                        r.replica, r.request_id));
  }

 private:
  void check_places() {
    std::set<std::tuple<size_t, std::string_view, int64_t>> places;
    for (const Record& r : records_)
      if (!places.emplace(r.replica, r.ring, r.sequence).second)
        ledger_.violated(
            fmt::format("weir-{} has record {} of ring {} twice", r.replica, r.sequence, r.ring));
  }

  void check(const Case& c) {
    std::string_view id = !c.called_id.empty() ? c.called_id : c.request_id;
    if (id.empty()) return;
    auto [first, last] = by_id_.equal_range(id);
    auto count = std::distance(first, last);
    if (count > 1) return ledger_.violated(c, fmt::format("{} is recorded {} times", id, count));
    if (count == 0) {
      if (!loss_explained(c)) ledger_.violated(c, fmt::format("the record of {} is lost", id));
      return;
    }
    const Record& record = *first->second;
    if (record.replica != c.replica)
      return ledger_.violated(c, fmt::format("{} is recorded by weir-{}", id, record.replica));
    if (c.end == End::kAnswered) compare(c, record);
  }

  // A place in the ring may not have been there, and the settings let the request pass all the same; or the
  // record may have been of the kind that waits for no disk.
  bool loss_explained(const Case& c) const {
    bool usage = !c.called_id.empty();
    bool crowded = plan_.busy || troubles_.disks_fail(c.visit);
    if ((!usage || !plan_.records.refuse) && crowded) return true;
    bool acknowledged = c.end == End::kAnswered;
    // The process lived on after the client left: it wrote the record, sooner or later.
    if (!acknowledged) return std::ranges::any_of(deaths(c), [&](const auto& d) { return d.at >= c.opened; });
    if (c.error == "record_unavailable") return true;  // it was told so
    bool disk_fails = plan_.faults.disk_error > 0;
    // An error is not held back for a record that can not be brought to the disk.
    if (plan_.records.on_disk && !(disk_fails && (!plan_.records.refuse || !c.error.empty())) && usage)
      return false;
    Duration bound = usage ? plan_.sync_bound() : Duration(seconds(10));
    return std::ranges::any_of(deaths(c), [&](const auto& d) {
      return d.power_cut && d.at >= c.opened && (disk_fails || d.worked_until <= c.ended + bound);
    });
  }
  const std::vector<Troubles::Death>& deaths(const Case& c) const { return troubles_.deaths(c.replica); }

  void compare(const Case& c, const Record& r) {
    bool well = c.status == 200 && c.error.empty();
    // Its record was written before the disk was found not to take it.
    if (c.error == "record_unavailable") return;
    if (r.status != c.status) return ledger_.violated(c, fmt::format("recorded with status {}", r.status));
    if (well != (r.outcome == "ok")) return ledger_.violated(c, fmt::format("recorded as '{}'", r.outcome));
    if (!r.model_asked.empty() && r.model_asked != c.ask.model)
      return ledger_.violated(c, fmt::format("recorded for model '{}'", r.model_asked));
    if (!well) return;
    // Usage comes after the last word: a stream that was cut before it is whole, but not counted.
    bool counted = r.output_tokens >= 0 || c.ask.kind != Ask::Kind::kEmbedding;
    if (r.output_tokens == -1 && c.ask.stream && !c.done) counted = false;
    // Who is asked to go on with an answer that lacks its end only may say it again: tokens that were used.
    if (c.continuations > 0 && r.output_tokens > c.ask.words) counted = false;
    if (counted && r.output_tokens != c.ask.words)
      ledger_.violated(c, fmt::format("recorded with {} output tokens", r.output_tokens));
  }

  Ledger& ledger_;
  const Troubles& troubles_;
  const Plan& plan_;
  const std::vector<Record>& records_;
  std::multimap<std::string_view, const Record*> by_id_;
};

}  // namespace

void audit(Ledger& ledger, const Troubles& troubles, const std::vector<Record>& records) {
  Audit(ledger, troubles, records).run();
}

}  // namespace weir::app::sim
