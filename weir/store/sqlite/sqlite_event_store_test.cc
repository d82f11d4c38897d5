#include "weir/store/sqlite/sqlite_event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "weir/io/net/test_loop.h"
#include "weir/store/testing.h"

namespace weir::store::sqlite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();
constexpr WallTime kLongAgo{std::numeric_limits<int64_t>::min()};

class SqliteEventStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { directory_ = disk_.make_temporary_directory("weir-store-test").value(); }
  void TearDown() override { disk_.remove(directory_); }

  std::string path() const { return directory_ + "/events.db"; }
  std::unique_ptr<SqliteEventStore> open(std::string replica = "one") {
    auto store = SqliteEventStore::open(
        {.path = path(), .replica = std::move(replica), .busy_timeout = milliseconds(20)});
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  std::string refusal() {
    auto store = SqliteEventStore::open({.path = path(), .replica = "x", .busy_timeout = milliseconds(20)});
    return store ? "it opened" : store.error().message;
  }
  std::string raw(const std::string& sql) {
    auto db = Database::open({.path = path(), .busy_timeout = milliseconds(20)});
    auto done = (*db)->execute(sql);
    return done ? "" : done.error().message;
  }

  // "ring/sequence" of every event in the file, in the order of storing; the rows' own figures are checked.
  std::vector<std::string> stored() {
    std::vector<std::string> found;
    auto db = open_events_for_reading({.path = path()});
    EXPECT_TRUE(db) << db.error().message;
    auto rows = (*db)->prepare("SELECT ring, first, next, events, bytes FROM segment ORDER BY id");
    while (*rows->step()) {
      SegmentReader reader(rows->blob(4));
      int64_t events = 0;
      while (auto event = reader.next()) {
        std::string text(reinterpret_cast<const char*>(event->bytes.data()), event->bytes.size());
        found.push_back(text.substr(0, text.find('.')));
        EXPECT_EQ(found.back(), fmt::format("{}/{}", rows->text(0), event->sequence));
        EXPECT_GE(static_cast<int64_t>(event->sequence), rows->integer(1));
        EXPECT_LT(static_cast<int64_t>(event->sequence), rows->integer(2));
        ++events;
      }
      EXPECT_FALSE(reader.broken());
      EXPECT_EQ(events, rows->integer(3));
    }
    return found;
  }
  uint64_t file_bytes() { return disk_.stat(path())->bytes; }

  io::net::TestLoop host_;
  io::Disk& disk_ = host_.loop().disk();
  std::string directory_;
};

TEST_F(SqliteEventStoreTest, KeepsEventsAndPositionsTogether) {
  auto store = open();
  EXPECT_EQ(store->position("0").value(), 1u);
  TestBatch a("0", 1, 4), b("1", 1, 2);
  std::array batches{a.batch, b.batch};
  ASSERT_TRUE(store->append(batches));
  EXPECT_EQ(store->position("0").value(), 4u);
  EXPECT_EQ(store->position("1").value(), 2u);
  EXPECT_EQ(store->position("2").value(), 1u);
  EXPECT_THAT(stored(), ElementsAre("0/1", "0/2", "0/3", "1/1"));
}

TEST_F(SqliteEventStoreTest, IsThereAfterTheNextStart) {
  TestBatch a("0", 1, 3);
  ASSERT_TRUE(open("first")->append({&a.batch, 1}));
  auto again = open("second");
  EXPECT_EQ(again->replica(), "first") << "a file keeps its name";
  EXPECT_EQ(again->position("0").value(), 3u);
  TestBatch b("0", 3, 4);
  ASSERT_TRUE(again->append({&b.batch, 1}));
  EXPECT_THAT(stored(), ElementsAre("0/1", "0/2", "0/3"));
}

TEST_F(SqliteEventStoreTest, WhatIsStoredIsNotStoredAgain) {
  auto store = open();
  TestBatch a("0", 1, 4);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(store->append({&a.batch, 1}));
  TestBatch older("0", 2, 3), overlapping("0", 2, 6);
  ASSERT_TRUE(store->append({&older.batch, 1}));
  ASSERT_TRUE(store->append({&overlapping.batch, 1}));
  EXPECT_THAT(stored(), ElementsAre("0/1", "0/2", "0/3", "0/4", "0/5"));
  EXPECT_EQ(store->position("0").value(), 6u);
}

TEST_F(SqliteEventStoreTest, CutsAtThePositionWhenSlotsWereDamaged) {
  auto store = open();
  TestBatch a("0", 1, 4);
  ASSERT_TRUE(store->append({&a.batch, 1}));
  TestBatch holes("0", 2, 4);  // 2 and 3 are stored, 4 and 5 were damaged, 6 is not stored
  std::string six = "0/6..";
  append_event(holes.bytes, 6, std::as_bytes(std::span(six)));
  holes.batch.bytes = holes.bytes;
  holes.batch.events = 3;
  holes.batch.next = 7;
  ASSERT_TRUE(store->append({&holes.batch, 1}));
  EXPECT_THAT(stored(), ElementsAre("0/1", "0/2", "0/3", "0/6"));
  EventBatch nothing{.ring = "0", .first = 7, .next = 9};
  ASSERT_TRUE(store->append({&nothing, 1}));
  EXPECT_EQ(store->position("0").value(), 9u) << "damaged slots move the position";
  EXPECT_EQ(stored().size(), 4u);
}

TEST_F(SqliteEventStoreTest, AGapIsRefusedWithEverythingBesideIt) {
  auto store = open();
  TestBatch good("0", 1, 4), gap("1", 2, 3);
  std::array batches{good.batch, gap.batch};
  auto done = store->append(batches);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kInternal);
  EXPECT_THAT(done.error().message, HasSubstr("ring 1 goes on at 1"));
  EXPECT_THAT(stored(), IsEmpty());
  EXPECT_EQ(store->position("0").value(), 1u);
  ASSERT_TRUE(store->append({&good.batch, 1})) << "the failure left no lock and no half transaction";
}

TEST_F(SqliteEventStoreTest, ABatchThatHoldsLessThanItSaysIsRefused) {
  auto store = open();
  TestBatch a("0", 1, 4);
  a.batch.events = 4;
  a.batch.next = 5;
  TestBatch first("0", 1, 2);
  ASSERT_TRUE(store->append({&first.batch, 1}));
  a.batch.bytes = a.batch.bytes.first(30);
  EXPECT_FALSE(store->append({&a.batch, 1}));
  EXPECT_THAT(stored(), ElementsAre("0/1"));
}

TEST_F(SqliteEventStoreTest, OtherProcessesReadMeanwhile) {
  auto store = open();
  TestBatch a("0", 1, 4), b("0", 4, 5);
  ASSERT_TRUE(store->append({&a.batch, 1}));
  auto reader = open_events_for_reading({.path = path()});
  ASSERT_TRUE(reader);
  auto rows = (*reader)->prepare("SELECT id FROM segment");
  ASSERT_TRUE(*rows->step());
  ASSERT_TRUE(store->append({&b.batch, 1})) << "an open reader does not hold the writer";
  EXPECT_EQ(stored().size(), 4u);
  EXPECT_FALSE((*reader)->execute("DELETE FROM segment")) << "a reader cannot write";
}

TEST_F(SqliteEventStoreTest, AnotherWriterIsAPassingFailure) {
  auto store = open();
  auto other = Database::open({.path = path()});
  auto lock = Transaction::begin(**other);
  ASSERT_TRUE(lock);
  TestBatch a("0", 1, 4);
  auto done = store->append({&a.batch, 1});
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().retryable);
  EXPECT_THAT(done.error().message, HasSubstr("locked"));
  ASSERT_TRUE(lock->commit());
  EXPECT_TRUE(store->append({&a.batch, 1}));
}

// ----------------------------------------------------------------------------- foreign files

TEST_F(SqliteEventStoreTest, AFileThatIsNoDatabaseIsLeftAlone) {
  std::string text = "these are my notes, not a database; there is more than a header's length of them\n";
  for (int i = 0; i < 100; ++i)
    text += "line\n";
  ASSERT_TRUE(disk_.write_file(path(), text, 0600));
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(path()), HasSubstr("not a database")));
  EXPECT_EQ(disk_.read_file(path(), 10'000).value(), text);
}

TEST_F(SqliteEventStoreTest, ADatabaseOfAnotherProgramIsLeftAlone) {
  ASSERT_EQ(raw("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')"), "");
  std::string before = disk_.read_file(path(), 1 << 20).value();
  EXPECT_THAT(refusal(), HasSubstr("of another program"));
  EXPECT_TRUE(disk_.read_file(path(), 1 << 20).value() == before);
  EXPECT_FALSE(open_events_for_reading({.path = path()}));
}

TEST_F(SqliteEventStoreTest, AnotherSchemaIsRefused) {
  open().reset();
  ASSERT_EQ(raw("PRAGMA user_version = 7"), "");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("another version of weir"), HasSubstr("schema 7")));
  auto reader = open_events_for_reading({.path = path()});
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().message, HasSubstr("schema 7"));
}

TEST_F(SqliteEventStoreTest, AMissingTableIsAnError) {
  open().reset();
  ASSERT_EQ(raw("DROP TABLE ring_position"), "");
  auto store = open();
  TestBatch a("0", 1, 2);
  EXPECT_FALSE(store->position("0"));
  EXPECT_FALSE(store->append({&a.batch, 1}));
}

TEST_F(SqliteEventStoreTest, DamagedPagesAreAnError) {
  {
    auto store = open();
    for (uint64_t s = 1; s < 200; ++s) {
      TestBatch a("0", s, s + 1, 400);
      ASSERT_TRUE(store->append({&a.batch, 1}));
    }
  }
  std::string bytes = disk_.read_file(path(), 1 << 24).value();
  for (size_t at = 4096; at < bytes.size(); ++at)  // all but the first page
    bytes[at] = static_cast<char>(at * 7);
  ASSERT_TRUE(disk_.write_file(path(), bytes, 0600));
  auto store = SqliteEventStore::open({.path = path(), .replica = "x"});
  TestBatch more("0", 200, 201);
  bool served = store && (*store)->append({&more.batch, 1});
  EXPECT_FALSE(served);
}

TEST_F(SqliteEventStoreTest, NoPlaceForAFile) {
  auto store = SqliteEventStore::open({.path = directory_ + "/no/events.db", .replica = "x"});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kIo);
  EXPECT_THAT(store.error().message, HasSubstr("no/events.db"));
  EXPECT_FALSE(open_events_for_reading({.path = path()})) << "reading makes no file";
  EXPECT_FALSE(disk_.stat(path()));
}

// --------------------------------------------------------------------------------- retention

TEST_F(SqliteEventStoreTest, RemovesByAge) {
  auto store = open();
  for (uint64_t s = 1; s <= 9; s += 2) {
    TestBatch a("0", s, s + 2);
    ASSERT_TRUE(store->append({&a.batch, 1}));
  }
  EXPECT_EQ(store->expire(WallTime{6'000'000'000}, kNoBound).value(), 4u);  // 5 and 6 are one batch: kept
  EXPECT_THAT(stored(), ElementsAre("0/5", "0/6", "0/7", "0/8", "0/9", "0/10"));
  EXPECT_EQ(store->expire(WallTime{6'000'000'000}, kNoBound).value(), 0u);
  EXPECT_EQ(store->expire(kLongAgo, kNoBound).value(), 0u);
  EXPECT_EQ(store->position("0").value(), 11u) << "a position outlives its events";
}

TEST_F(SqliteEventStoreTest, TheFileStaysWithinItsBound) {
  auto store = open();
  constexpr uint64_t kBytesMax = 1 << 20;
  uint64_t s = 1, removed = 0;
  for (int i = 0; i < 100; ++i) {
    TestBatch a("0", s, s + 100, 1000);
    s += 100;
    ASSERT_TRUE(store->append({&a.batch, 1}));
    while (uint64_t n = store->expire(kLongAgo, kBytesMax).value())
      removed += n;
  }
  store.reset();  // the log goes into the file
  EXPECT_LE(file_bytes(), kBytesMax);
  auto kept = stored();
  EXPECT_GE(kept.size(), 700u);
  EXPECT_EQ(kept.size() + removed, s - 1);
  EXPECT_EQ(kept.back(), fmt::format("0/{}", s - 1)) << "the newest are kept";
}

TEST_F(SqliteEventStoreTest, ALowerBoundGivesRoomBack) {
  auto store = open();
  for (uint64_t s = 1; s < 5000; s += 1000) {
    TestBatch a("0", s, s + 1000, 1000);
    ASSERT_TRUE(store->append({&a.batch, 1}));
  }
  constexpr uint64_t kBytesMax = (2 << 20) + (256 << 10);  // two batches and the pages of a file's tables
  while (store->expire(kLongAgo, kBytesMax).value() > 0) {
  }
  store.reset();
  EXPECT_LE(file_bytes(), kBytesMax);
  EXPECT_EQ(stored().size(), 2000u);
}

TEST_F(SqliteEventStoreTest, AnImpossibleBoundEnds) {
  auto store = open();
  TestBatch a("0", 1, 10);
  ASSERT_TRUE(store->append({&a.batch, 1}));
  EXPECT_EQ(store->expire(kLongAgo, 1).value(), 9u);
  EXPECT_EQ(store->expire(kLongAgo, 1).value(), 0u);
}

}  // namespace
}  // namespace weir::store::sqlite
