// SqliteEventStore: the events of one replica in one SQLite file. One row a batch ("segment"), in write-ahead
// logging with a sync at each commit, so what append() answered for survives a power cut, and others may read
// (`weir events`) while it writes. Blocks; one call at a time, any thread.
//
//   replica       id of this replica: with ring and sequence it names an event for good
//   ring_position where each ring's next event belongs; grows in the transaction that stores the events
//   segment       the events: first and next sequence number, bounds of their times, bytes (store/segment.h)
//   ledger        their sums by hour and by what they are charged to (sqlite_ledger.h); since schema 2
//
// The file does not grow for ever: pages of what expire() removed are used again, and what lies beyond its
// bytes_max is given back to the disk. Beside it lies the log (-wal), some megabytes, more only while
// somebody reads through a very long query.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "weir/store/event_store.h"
#include "weir/store/sqlite/database.h"

namespace weir::store::sqlite {

class SqliteEventStore final : public EventStore {
 public:
  struct Options {
    std::string path;
    std::string vfs;                  // io::Disk::sqlite_vfs()
    std::string replica;              // the id that a new file gets; an existing one keeps its own
    milliseconds busy_timeout{1000};  // how long to wait while another process writes
    /// The first segment that somebody still wants (a shared ledger): expire() removes nothing from there on.
    /// Shared with who takes them; none: nobody does.
    std::shared_ptr<const std::atomic<int64_t>> kept_from;
  };
  /// Opens the file or makes it. Errors: kIo; a file that is damaged, of another program or of a later weir
  /// says so and is left as it is.
  static Result<std::unique_ptr<SqliteEventStore>> open(Options options);

  const std::string& replica() const { return replica_; }

  Result<uint64_t> position(const std::string& ring) override;
  Result<void> append(std::span<const EventBatch> batches) override;
  Result<uint64_t> expire(WallTime before, uint64_t bytes_max) override;
  Result<uint64_t> fold_ledger(WallTime before) override;

 private:
  SqliteEventStore(std::unique_ptr<Database> db, std::shared_ptr<const std::atomic<int64_t>> kept_from)
      : db_(std::move(db)), kept_from_(std::move(kept_from)) {}
  Result<void> set_up(const std::string& replica);
  Result<void> bring_up();
  Result<void> insert(const EventBatch& batch);
  Result<void> set_position(const EventBatch& batch);
  Result<uint64_t> remove(Statement& oldest, uint64_t& bytes_left);

  std::unique_ptr<Database> db_;
  const std::shared_ptr<const std::atomic<int64_t>> kept_from_;
  std::string replica_;
};

/// Opens the file of a SqliteEventStore for reading, also while one writes it. Errors as open().
Result<std::unique_ptr<Database>> open_events_for_reading(Database::Options options);

}  // namespace weir::store::sqlite
