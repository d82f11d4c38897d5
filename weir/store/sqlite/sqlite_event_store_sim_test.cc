// The store on the simulated disk: a process that dies or a machine that stops at a random change of the disk
// (in the middle of a commit, a checkpoint, an expiry), disks that fill and fail. Whatever happens: every
// batch that append() answered for is there, and no event is there twice.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "weir/base/mutation.h"
#include "weir/io/sim/sim_disk.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/testing.h"

namespace weir::store::sqlite {
namespace {

constexpr const char* kPath = "/data/events.db";
constexpr int kRings = 3;
constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();

class World {
 public:
  explicit World(uint64_t seed)
      : chance_(seed),
        disk_("machine", chance_, faults_, [] { return WallTime{1'700'000'000'000'000'000}; }) {
    mount();
    EXPECT_TRUE(process_->make_directory("/data", 0700));
  }
  ~World() { store_.reset(); }

  /// Appends and expires for a while; by chance a crash, a full disk or a spell of errors interrupts it.
  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (!store_ && !open()) continue;
      plan_an_end();
      step();
      disk_.on_change({});
      if (ended_) begin_again();
    }
    faults_.disk_error = 0;
    disk_.limit(std::nullopt);
    begin_again();
    ASSERT_TRUE(open());
    check();
  }
  int ends() const { return ends_; }
  int failures() const { return failures_; }

 private:
  void mount() { process_ = disk_.mount(); }

  bool open() {
    auto opened = SqliteEventStore::open({.path = kPath, .vfs = process_->sqlite_vfs(), .replica = "r"});
    if (!opened) {
      ++failures_;
      EXPECT_TRUE(faults_.disk_error > 0 || limited_) << opened.error().message;
      faults_.disk_error = 0;
      unlimit();
      return false;
    }
    store_ = std::move(*opened);
    EXPECT_EQ(store_->replica(), "r");
    check();
    return true;
  }

  void plan_an_end() {
    faults_.disk_error = chance_.happens(0.1) ? 0.2 : 0;
    if (limited_) unlimit();
    if (chance_.happens(0.1)) {
      limited_ = true;
      disk_.limit(disk_.used_bytes() + chance_.below(20'000));
    }
    if (!chance_.happens(0.3)) return;
    uint64_t changes_left = chance_.below(25);
    bool power = chance_.happens(0.5);
    disk_.on_change([this, changes_left, power]() mutable {
      if (ended_ || changes_left-- > 0) return;
      ended_ = true;
      ++ends_;
      process_->die();
      if (power) disk_.power_cut();
    });
  }
  void unlimit() {
    limited_ = false;
    disk_.limit(std::nullopt);
  }

  void step() {
    if (chance_.happens(0.1)) {
      uint64_t bytes_max = chance_.happens(0.5) ? 64 << 10 : kNoBound;
      WallTime before{static_cast<int64_t>(chance_.below(highest_)) * 1'000'000'000};
      expired_ = true;
      if (!store_->expire(before, bytes_max)) ++failures_;
      return;
    }
    // One to three rings; each batch begins at or before what is known to be stored, as a drainer that heard
    // nothing of its last commit sends it.
    std::vector<std::unique_ptr<TestBatch>> made;
    std::vector<EventBatch> batches;
    for (int ring = 0; ring < kRings; ++ring) {
      if (ring > 0 && chance_.happens(0.5)) continue;
      uint64_t known = stored_[ring];
      uint64_t first = known - std::min(known - 1, chance_.below(5));
      uint64_t next = known + chance_.below(20);
      made.push_back(std::make_unique<TestBatch>(std::to_string(ring), first, next, 20 + chance_.below(400)));
      batches.push_back(made.back()->batch);
      highest_ = std::max(highest_, next);
    }
    if (!store_->append(batches)) {
      ++failures_;
      return;
    }
    for (const EventBatch& batch : batches)
      stored_[std::stoi(batch.ring)] = std::max(stored_[std::stoi(batch.ring)], batch.next);
  }

  void begin_again() {
    store_.reset();
    if (process_->alive()) process_->die();
    ended_ = false;
    mount();
  }

  void check() {
    std::map<std::string, std::set<uint64_t>> found;
    auto db = open_events_for_reading({.path = kPath, .vfs = process_->sqlite_vfs()});
    if (!db && faults_.disk_error > 0) return;
    ASSERT_TRUE(db) << db.error().message;
    auto rows = (*db)->prepare("SELECT ring, bytes FROM segment");
    ASSERT_TRUE(rows) << rows.error().message;
    for (;;) {
      auto row = rows->step();
      ASSERT_TRUE(row) << row.error().message;
      if (!*row) break;
      std::string ring(rows->text(0));
      SegmentReader reader(rows->blob(1));
      while (auto event = reader.next())
        EXPECT_TRUE(found[ring].insert(event->sequence).second) << ring << "/" << event->sequence << " twice";
      EXPECT_FALSE(reader.broken());
    }
    for (int ring = 0; ring < kRings; ++ring) {
      auto position = store_->position(std::to_string(ring));
      ASSERT_TRUE(position);
      EXPECT_GE(*position, stored_[ring]) << "what was answered for is there";
      stored_[ring] = *position;
      const std::set<uint64_t>& mine = found[std::to_string(ring)];
      if (!mine.empty()) EXPECT_LT(*mine.rbegin(), *position);
      if (!expired_) EXPECT_EQ(mine.size(), *position - 1) << "all of them";
    }
  }

  io::sim::Chance chance_;
  io::sim::Faults faults_;
  io::sim::SimDisk disk_;
  std::unique_ptr<io::sim::ProcessDisk> process_;
  std::unique_ptr<SqliteEventStore> store_;
  std::array<uint64_t, kRings> stored_{1, 1, 1};  // positions that the store answered for
  uint64_t highest_ = 1;
  bool expired_ = false;
  bool limited_ = false;
  bool ended_ = false;
  int ends_ = 0;
  int failures_ = 0;
};

TEST(SqliteEventStoreSim, NothingIsLostAndNothingIsTwice) {
  int ends = 0, failures = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    world.run(60);
    ends += world.ends();
    failures += world.failures();
    if (HasFailure()) break;
  }
  EXPECT_GT(ends, 1000) << "crashes do happen";
  EXPECT_GT(failures, 500) << "and so do failures";
}

}  // namespace
}  // namespace weir::store::sqlite
