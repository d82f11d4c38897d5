// SQLite on the simulated disk: random transactions, ended by a kill or a power cut at a random change of the
// disk, also in the middle of a commit or a checkpoint. What was committed is there afterwards, whole.
#include "weir/io/sim/sim_vfs.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/io/sim/sim_disk.h"

namespace weir::io::sim {
namespace {

constexpr const char* kPath = "/data/events.db";

class Database {
 public:
  explicit Database(ProcessDisk& process) {
    int result =
        sqlite3_open_v2(kPath, &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        process.sqlite_vfs().c_str());
    ok_ = result == SQLITE_OK;
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { sqlite3_close_v2(db_); }

  bool ok() const { return ok_; }
  std::string error() const { return sqlite3_errmsg(db_); }

  int run(const std::string& sql) { return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr); }
  /// The first column of every row, or nullopt.
  std::optional<std::vector<std::string>> ask(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) return std::nullopt;
    std::vector<std::string> rows;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
      rows.emplace_back(static_cast<const char*>(sqlite3_column_blob(statement, 0)),
                        static_cast<size_t>(sqlite3_column_bytes(statement, 0)));
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? std::optional(std::move(rows)) : std::nullopt;
  }

 private:
  sqlite3* db_ = nullptr;
  bool ok_ = false;
};

using Rows = std::map<uint64_t, std::string>;

struct World {
  explicit World(uint64_t seed)
      : chance(seed), disk("machine", chance, faults, [] { return WallTime{1'700'000'000'000'000'000}; }) {
    process = disk.mount();
    EXPECT_TRUE(process->make_directory("/data", 0700));
  }
  std::string content(const std::string& path) { return process->read_file(path, 1 << 26).value_or("none"); }

  Chance chance;
  Faults faults;
  SimDisk disk;
  std::unique_ptr<ProcessDisk> process;
  Rows committed;
  std::vector<Rows> doubtful;  // what a failed commit may have left
};

bool prepare(World& world, Database& db, bool wal) {
  const char* mode = wal ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                         : "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;";
  return db.ok() && db.run(mode) == SQLITE_OK &&
         db.run("PRAGMA wal_autocheckpoint=" + std::to_string(1 + world.chance.below(30))) == SQLITE_OK &&
         db.run("PRAGMA cache_size=" + std::to_string(10 + world.chance.below(50))) == SQLITE_OK &&
         db.run("CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v BLOB)") == SQLITE_OK;
}

// One transaction of a few changes; the books are kept of what it should have left.
void transact(World& world, Database& db) {
  Rows rows = world.committed;
  bool ok = db.run("BEGIN IMMEDIATE") == SQLITE_OK;
  for (uint64_t n = 1 + world.chance.below(6); ok && n > 0; --n) {
    uint64_t key = world.chance.below(60);
    if (world.chance.below(4) == 0) {
      rows.erase(key);
      ok = db.run("DELETE FROM t WHERE k=" + std::to_string(key)) == SQLITE_OK;
    } else {
      std::string value(world.chance.below(world.chance.below(10) == 0 ? 20'000 : 600),
                        static_cast<char>('a' + world.chance.below(26)));
      value += std::to_string(world.chance.next());
      rows[key] = value;
      ok = db.run("INSERT OR REPLACE INTO t VALUES (" + std::to_string(key) + ",'" + value + "')") ==
           SQLITE_OK;
    }
  }
  if (ok && db.run("COMMIT") == SQLITE_OK) {
    // A commit that failed may have reached the WAL all the same; only one that writes over it decides that.
    if (rows != world.committed) world.doubtful.clear();
    world.committed = std::move(rows);
    return;
  }
  if (ok) world.doubtful.push_back(std::move(rows));
  db.run("ROLLBACK");
}

std::string describe(const Rows& rows) {
  std::string out;
  for (const auto& [key, value] : rows)
    out += std::to_string(key) + "=" + value.substr(0, 4) + "/" + std::to_string(value.size()) + " ";
  return out;
}

// Empty when the database holds what it must; else what is wrong.
std::string verify(World& world, Database& db) {
  auto check = db.ask("PRAGMA integrity_check");
  if (!check) return "cannot be checked: " + db.error();
  if (*check != std::vector<std::string>{"ok"}) return "damaged: " + check->front();
  Rows rows;
  if (db.ask("SELECT 1 FROM sqlite_master WHERE name='t'")->size() == 1) {
    auto keys = db.ask("SELECT k FROM t ORDER BY k"), values = db.ask("SELECT v FROM t ORDER BY k");
    if (!keys || !values) return "cannot be read: " + db.error();
    for (size_t i = 0; i < keys->size(); ++i)
      rows[std::stoull((*keys)[i])] = (*values)[i];
  }
  bool right = rows == world.committed;
  for (const Rows& possible : world.doubtful)
    right |= rows == possible;
  std::string wrong = right ? "" : "holds " + describe(rows) + " instead of " + describe(world.committed);
  world.committed = std::move(rows);
  world.doubtful.clear();
  return wrong;
}

struct Plan {
  bool wal = true;
  bool power = false;
  bool ignore_syncs = false;
  double disk_error = 0;
};

// A few lives of a machine; each ends at a random change of its disk. Empty: all went well.
std::string live(uint64_t seed, const Plan& plan) {
  World world(seed);
  world.disk.ignore_syncs(plan.ignore_syncs);
  for (int life = 0; life < 4; ++life) {
    uint64_t changes_left = 1 + world.chance.below(world.chance.below(3) == 0 ? 30 : 400);
    world.disk.on_change([&] {
      if (changes_left > 0 && --changes_left == 0) world.process->die();
    });
    world.faults.disk_error = plan.disk_error;
    {
      Database db(*world.process);
      if (prepare(world, db, plan.wal))
        while (world.process->alive())
          transact(world, db);
      world.process->die();
      // What the dead process still does when its objects are destroyed reaches nothing.
    }
    world.disk.on_change(nullptr);
    world.faults.disk_error = 0;
    if (plan.power) world.disk.power_cut();
    world.process = world.disk.mount();
    Database db(*world.process);
    if (!db.ok()) return "cannot be opened: " + db.error();
    if (std::string wrong = verify(world, db); !wrong.empty())
      return wrong + " (life " + std::to_string(life) + ")";
  }
  return {};
}

void expect_all_well(const Plan& plan, uint64_t seeds) {
  for (uint64_t seed = 0; seed < seeds; ++seed)
    ASSERT_EQ(live(seed, plan), "") << "seed " << seed;
}

TEST(SimVfs, CommittedTransactionsSurviveAKill) {
  expect_all_well({.wal = true}, 100);
  expect_all_well({.wal = false}, 50);
  expect_all_well({.wal = true, .ignore_syncs = true}, 50);  // a kill needs no sync
}

TEST(SimVfs, CommittedTransactionsSurviveAPowerCutWithAWal) {
  expect_all_well({.wal = true, .power = true}, 300);
}

TEST(SimVfs, CommittedTransactionsSurviveAPowerCutWithAJournal) {
  expect_all_well({.wal = false, .power = true}, 200);
}

TEST(SimVfs, CommittedTransactionsSurviveFailingWritesAndSyncs) {
  expect_all_well({.wal = true, .power = true, .disk_error = 0.02}, 200);
}

// The model bites: with a drive that lies about syncs, data is lost.
TEST(SimVfs, WithoutSyncsAPowerCutLosesTransactions) {
  int hurt = 0;
  for (uint64_t seed = 0; seed < 60; ++seed)
    hurt += !live(seed, {.wal = true, .power = true, .ignore_syncs = true}).empty();
  EXPECT_GT(hurt, 30);
}

TEST(SimVfs, TheSameSeedGivesTheSameBytes) {
  auto files = [](World& world) { return world.content(kPath) + world.content(std::string(kPath) + "-wal"); };
  auto alone = [&](uint64_t seed) {
    World world(seed);
    Database db(*world.process);
    EXPECT_TRUE(prepare(world, db, true));
    for (int i = 0; i < 40; ++i)
      transact(world, db);
    return files(world);
  };
  std::string expected = alone(5);
  EXPECT_GT(expected.size(), 20'000u);
  EXPECT_EQ(alone(5), expected);
  EXPECT_NE(alone(6), expected);
  // Two worlds taking turns in one thread do not see each other.
  World one(5), two(6);
  Database one_db(*one.process), two_db(*two.process);
  EXPECT_TRUE(prepare(one, one_db, true));
  EXPECT_TRUE(prepare(two, two_db, true));
  for (int i = 0; i < 40; ++i) {
    transact(one, one_db);
    transact(two, two_db);
  }
  EXPECT_EQ(files(one), expected);
}

TEST(SimVfs, ConnectionsOfAProcessShareADatabase) {
  World world(1);
  Database writer(*world.process), reader(*world.process);
  ASSERT_TRUE(prepare(world, writer, true));
  ASSERT_EQ(writer.run("INSERT INTO t VALUES (1, 'one')"), SQLITE_OK);
  ASSERT_EQ(reader.run("BEGIN"), SQLITE_OK);
  EXPECT_EQ(reader.ask("SELECT v FROM t"), std::vector<std::string>{"one"});
  ASSERT_EQ(writer.run("INSERT INTO t VALUES (2, 'two')"), SQLITE_OK);
  EXPECT_EQ(reader.ask("SELECT v FROM t")->size(), 1u) << "a snapshot";
  ASSERT_EQ(reader.run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(reader.ask("SELECT v FROM t")->size(), 2u);
  ASSERT_EQ(writer.run("BEGIN IMMEDIATE"), SQLITE_OK);
  EXPECT_EQ(reader.run("BEGIN IMMEDIATE"), SQLITE_BUSY);
  ASSERT_EQ(writer.run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(reader.run("BEGIN IMMEDIATE; COMMIT"), SQLITE_OK);
}

TEST(SimVfs, WithoutAWalLocksExcludeEachOther) {
  World world(1);
  Database writer(*world.process), reader(*world.process);
  ASSERT_TRUE(prepare(world, writer, false));
  ASSERT_EQ(writer.run("INSERT INTO t VALUES (1, 'one'); BEGIN IMMEDIATE; INSERT INTO t VALUES (2, 'two')"),
            SQLITE_OK);
  EXPECT_EQ(reader.ask("SELECT v FROM t")->size(), 1u);
  EXPECT_EQ(reader.run("BEGIN IMMEDIATE"), SQLITE_BUSY);
  ASSERT_EQ(reader.run("BEGIN; SELECT * FROM t"), SQLITE_OK);
  EXPECT_EQ(writer.run("COMMIT"), SQLITE_BUSY) << "a reader is inside";
  ASSERT_EQ(reader.run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(writer.run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(reader.ask("SELECT v FROM t")->size(), 2u);
}

TEST(SimVfs, LocksAndIndexDieWithTheirProcess) {
  World world(1);
  auto dead = std::move(world.process);
  auto held = std::make_unique<Database>(*dead);
  ASSERT_TRUE(prepare(world, *held, true));
  ASSERT_EQ(held->run("INSERT INTO t VALUES (1, 'one'); BEGIN IMMEDIATE; INSERT INTO t VALUES (2, 'two')"),
            SQLITE_OK);
  dead->die();
  world.process = world.disk.mount();
  Database db(*world.process);
  EXPECT_EQ(db.run("INSERT INTO t VALUES (3, 'three')"), SQLITE_OK);
  EXPECT_NE(held->run("COMMIT"), SQLITE_OK);
  EXPECT_FALSE(held->ask("SELECT v FROM t"));
  held.reset();
  dead.reset();
  EXPECT_EQ(db.ask("SELECT v FROM t ORDER BY k"), (std::vector<std::string>{"one", "three"}));
  EXPECT_EQ(db.ask("PRAGMA integrity_check"), std::vector<std::string>{"ok"});
}

TEST(SimVfs, AFullDiskIsToldAndWhatWasCommittedStays) {
  World world(1);
  Database db(*world.process);
  ASSERT_TRUE(prepare(world, db, true));
  ASSERT_EQ(db.run("INSERT INTO t VALUES (1, 'one')"), SQLITE_OK);
  world.disk.limit(world.disk.used_bytes() + 50'000);
  EXPECT_EQ(db.run("INSERT INTO t VALUES (2, zeroblob(100000))"), SQLITE_FULL);
  EXPECT_EQ(db.ask("SELECT v FROM t"), std::vector<std::string>{"one"});
  world.disk.limit(std::nullopt);
  EXPECT_EQ(db.run("INSERT INTO t VALUES (2, zeroblob(100000))"), SQLITE_OK);
  EXPECT_EQ(db.ask("PRAGMA integrity_check"), std::vector<std::string>{"ok"});
}

TEST(SimVfs, TimeIsTheMachinesAndEachMountHasANameOfItsOwn) {
  World world(1);
  auto other = world.disk.mount();
  EXPECT_NE(world.process->sqlite_vfs(), other->sqlite_vfs());
  EXPECT_EQ(Database(*other).ask("SELECT datetime('now')"), std::vector<std::string>{"2023-11-14 22:13:20"});
  std::string name = other->sqlite_vfs();
  EXPECT_NE(sqlite3_vfs_find(name.c_str()), nullptr);
  other.reset();
  EXPECT_EQ(sqlite3_vfs_find(name.c_str()), nullptr);
}

}  // namespace
}  // namespace weir::io::sim
