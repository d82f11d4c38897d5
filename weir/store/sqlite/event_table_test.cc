#include "weir/store/sqlite/event_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "weir/base/time_text.h"
#include "weir/io/net/test_loop.h"
#include "weir/store/sqlite/sqlite_event_store.h"
#include "weir/store/testing.h"
#include "weir/telemetry/event.h"

namespace weir::store::sqlite {
namespace {

using telemetry::Event;
using telemetry::EventText;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBegin = 1'795'248'000 * kSecond;  // 2026-11-21T08:00:00Z

// Ten segments of ten events, one a second from 08:00:00 on: request req-<n>, n tokens in.
class EventTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = disk_.make_temporary_directory("weir-table-test").value();
    store_ = SqliteEventStore::open({.path = path(), .replica = "replica-a"}).value();
    for (uint64_t s = 1; s <= 100; s += 10)
      store(s, s + 10);
    db_ = open_events_for_reading({.path = path()}).value();
    ASSERT_TRUE(add_event_table(*db_));
  }
  void TearDown() override { disk_.remove(directory_); }
  std::string path() const { return directory_ + "/events.db"; }

  void store(uint64_t first, uint64_t next) {
    std::vector<std::byte> bytes;
    for (uint64_t s = first; s < next; ++s) {
      std::string id = fmt::format("req-{}", s);
      Event event;
      event.received_unix_ns = time_of(s);
      event.input_tokens = static_cast<int64_t>(s);
      event.status = s % 10 == 0 ? 503 : 200;
      event.ended_us = 1500;
      event.streamed = s % 2 == 0;
      event.text(EventText::kRequestId) = id;
      event.text(EventText::kModel) = "river";
      std::byte encoded[telemetry::kEventBytesMax];
      append_event(bytes, s, std::span(encoded).first(telemetry::encode(event, encoded)));
    }
    EventBatch batch{"0", first, next, next - first, time_of(first), time_of(next - 1), bytes};
    ASSERT_TRUE(store_->append({&batch, 1}));
  }
  static int64_t time_of(uint64_t sequence) { return kBegin + static_cast<int64_t>(sequence - 1) * kSecond; }

  // Rows as texts, columns joined by a bar; or the error.
  std::vector<std::string> ask(std::string_view sql) {
    auto rows = db_->prepare(sql);
    if (!rows) return {rows.error().message};
    std::vector<std::string> found;
    for (;;) {
      auto row = rows->step();
      if (!row) return {row.error().message};
      if (!*row) return found;
      std::string line;
      for (int i = 0; i < rows->columns(); ++i)
        line += fmt::format("{}{}", i ? "|" : "", rows->text(i));
      found.push_back(line);
    }
  }
  std::string one(std::string_view sql) {
    auto rows = ask(sql);
    return rows.size() == 1 ? rows[0] : fmt::format("{} rows", rows.size());
  }
  void damage(const std::string& sql) {
    auto raw = Database::open({.path = path()}).value();
    ASSERT_TRUE(raw->execute(sql));
  }

  io::net::TestLoop host_;
  io::Disk& disk_ = host_.loop().disk();
  std::string directory_;
  std::unique_ptr<SqliteEventStore> store_;
  std::unique_ptr<Database> db_;
};

TEST_F(EventTableTest, EveryFieldIsAColumn) {
  EXPECT_EQ(one("SELECT time, replica, ring, sequence, request_id, model, status, input_tokens, ended_us, "
                "streamed, class "
                "FROM events WHERE sequence = 12"),
            "2026-11-21T08:00:11.000Z|replica-a|0|12|req-12|river|200|12|1500|1|telemetry");
  EXPECT_EQ(one("SELECT output_tokens IS NULL, first_token_us IS NULL, provider IS NULL FROM events WHERE "
                "sequence = 1"),
            "1|1|1")
      << "what was not known is not zero";
  std::string all;
  for (const EventColumn& column : event_columns())
    all += fmt::format("{}{}", all.empty() ? "" : ", ", column.name);
  EXPECT_EQ(ask(fmt::format("SELECT {} FROM events", all)).size(), 100u);
  EXPECT_EQ(ask("SELECT * FROM events")[4], ask(fmt::format("SELECT {} FROM events", all))[4])
      << "segment is hidden";
}

TEST_F(EventTableTest, Adds) {
  EXPECT_EQ(one("SELECT count(*), sum(input_tokens), count(DISTINCT request_id) FROM events"),
            "100|5050|100");
  EXPECT_THAT(ask("SELECT status, count(*) FROM events GROUP BY status ORDER BY status"),
              ElementsAre("200|90", "503|10"));
  EXPECT_EQ(one("SELECT count(*) FROM events a JOIN events b ON a.sequence = b.sequence + 1"), "99");
  EXPECT_EQ(one("SELECT count(DISTINCT rowid) FROM events"), "100");
}

// The conditions that segments are skipped by give what they would give without.
TEST_F(EventTableTest, BoundsGiveTheSameRows) {
  std::vector<std::string> times{"2026",
                                 "2026-11-21",
                                 "2026-11-21T08:00:30",
                                 "2026-11-21T08:00:30.000Z",
                                 "2026-11-21T08:00:30.000",
                                 "2026-11-21T08:01",
                                 "2026-11-21T09",
                                 "2027-01-01",
                                 "1970-01-01",
                                 "yesterday",
                                 "2026-11-21 08:00:30",
                                 "2026-11-21T08:00:30Z",
                                 ""};
  for (const std::string& op : {">", ">=", "<", "<=", "="}) {
    for (const std::string& time : times) {
      std::string narrowed = fmt::format("SELECT count(*) FROM events WHERE time {} '{}'", op, time);
      std::string looked_at = fmt::format("SELECT count(*) FROM events WHERE +time {} '{}'", op, time);
      EXPECT_EQ(one(narrowed), one(looked_at)) << narrowed;
    }
    for (std::string number : {"0", "1795248030000000000", "1795248030000000001", "1795248030000000000.5",
                               "9223372036854775807", "NULL"}) {
      std::string narrowed =
          fmt::format("SELECT count(*) FROM events WHERE received_unix_ns {} {}", op, number);
      std::string looked_at =
          fmt::format("SELECT count(*) FROM events WHERE +received_unix_ns {} {}", op, number);
      EXPECT_EQ(one(narrowed), one(looked_at)) << narrowed;
    }
  }
  EXPECT_EQ(
      one("SELECT count(*) FROM events WHERE time >= '2026-11-21T08:00:30' AND time < '2026-11-21T08:00:40'"),
      "10");
  EXPECT_EQ(one("SELECT min(sequence) FROM events WHERE segment > 3"), "31");
  EXPECT_EQ(one("SELECT max(sequence) FROM events WHERE segment <= 3"), "30");
}

TEST_F(EventTableTest, SegmentsOutsideTheBoundsAreNotRead) {
  damage("UPDATE segment SET bytes = x'ff' WHERE id = 1");
  EXPECT_THAT(ask("SELECT count(*) FROM events"), ElementsAre(HasSubstr("segment 1 is damaged")));
  EXPECT_EQ(one("SELECT count(*) FROM events WHERE time >= '2026-11-21T08:00:10'"), "90");
  EXPECT_EQ(one("SELECT count(*) FROM events WHERE received_unix_ns >= 1795248010000000000"), "90");
  EXPECT_EQ(one("SELECT count(*) FROM events WHERE segment > 1"), "90");
}

TEST_F(EventTableTest, ADamagedEventIsNamed) {
  damage("UPDATE segment SET bytes = x'04000b00000000000000ffffffff' WHERE id = 2");
  EXPECT_THAT(ask("SELECT count(*) FROM events"), ElementsAre(HasSubstr("event 11 of ring 0 is damaged")));
}

TEST_F(EventTableTest, SeesWhatIsStoredMeanwhile) {
  EXPECT_EQ(one("SELECT count(*) FROM events"), "100");
  store(101, 103);
  EXPECT_EQ(one("SELECT count(*) FROM events"), "102");
}

TEST_F(EventTableTest, OnlyReads) {
  for (std::string sql :
       {"DELETE FROM events", "INSERT INTO events (status) VALUES (1)", "UPDATE segment SET events = 0",
        "DROP TABLE segment", "CREATE TABLE x (y)", "CREATE TEMP TABLE x (y)", "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version", "BEGIN", "VACUUM", "VACUUM INTO '/tmp/weir-never'",
        "ATTACH '/tmp/weir-never' AS other", "REINDEX", "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM segment", "", "-- nothing"}) {
    auto statement = db_->prepare(sql);
    EXPECT_TRUE(!statement || !statement->run()) << sql;
  }
  EXPECT_EQ(one("SELECT count(*) FROM events"), "100");
  EXPECT_FALSE(disk_.stat("/tmp/weir-never"));
  EXPECT_THAT(ask("DELETE FROM segment"), ElementsAre(HasSubstr("only reads")));
  EXPECT_EQ(one("SELECT 1;"), "1") << "one semicolon is fine";
  EXPECT_EQ(
      one("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT sum(i) FROM n"),
      "45");
}

}  // namespace
}  // namespace weir::store::sqlite
