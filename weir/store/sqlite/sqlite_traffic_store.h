// SqliteTrafficStore: the sums of TrafficStore in a file of their own, traffic.db, beside events.db, which it
// only reads. What it holds can be made again from the records, so it is not synced at each commit; what was
// taken in and how far stand in one transaction, so nothing is counted twice. A damaged or foreign file is an
// error; removing it costs the charts older than the records.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "weir/store/sqlite/database.h"
#include "weir/store/traffic_store.h"

namespace weir::store::sqlite {

class SqliteTrafficStore final : public TrafficStore {
 public:
  struct Options {
    std::string path;           // of traffic.db
    std::string events_path;    // of events.db
    std::string vfs;            // io::Disk::sqlite_vfs()
    size_t segments_max = 256;  // of one follow()
    size_t keys_max = 2000;     // of ten seconds, counted in each follow(); later ones: "__overflow__"
  };
  /// Opens the file or makes it.
  static Result<std::unique_ptr<SqliteTrafficStore>> open(Options options);

  Result<bool> follow() override;
  Result<void> expire(Grain grain, int64_t before_s) override;
  Result<uint64_t> rows(const TrafficQuery& query, uint64_t max) override;
  Result<void> sums(const TrafficQuery& query, const VisitSums& visit) override;
  Result<RequestPage> requests(const RequestFilter& filter, const VisitRequest& visit) override;
  Result<bool> request(RequestPlace place, const VisitRequest& visit) override;

 private:
  using Rows = std::map<std::pair<int64_t, TrafficKey>, Sums>;  // from when, whose
  explicit SqliteTrafficStore(Options options) : options_(std::move(options)) {}
  Result<std::unique_ptr<Database>> connect() const;
  Result<std::unique_ptr<Database>> events() const;
  Result<void> merge(Database& db, const Rows& rows, Grain grain);

  const Options options_;
  std::unique_ptr<Database> held_;  // keeps the file's log from being thrown away between two calls
  std::map<int64_t, size_t> keys_;  // of the latest ten seconds each, for keys_max; follow() only
};

}  // namespace weir::store::sqlite
