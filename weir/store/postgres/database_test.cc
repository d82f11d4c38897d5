// The wrapper of libpq against a real server, directly and through pgbouncer.
#include "weir/store/postgres/database.h"

#include <gmock/gmock.h>

#include "weir/store/postgres/postgres_testing.h"

namespace weir::store::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Way = TestServer::Way;

class PostgresDatabase : public ::testing::TestWithParam<Way> {
 protected:
  std::shared_ptr<Database> open() { return TestServer::get().open(GetParam(), "public"); }
  std::shared_ptr<Database> db_ = open();
};
INSTANTIATE_TEST_SUITE_P(, PostgresDatabase, ::testing::Values(Way::kDirect, Way::kPooled),
                         [](const auto& way) {
                           return way.param == Way::kDirect ? "Direct" : "ThroughPgbouncer";
                         });

TEST_P(PostgresDatabase, CarriesValuesBothWays) {
  std::vector<int64_t> numbers{1, -2, std::numeric_limits<int64_t>::max()};
  std::vector<std::string_view> texts{"", "a,b", "{}", "\"", "\\", "NULL", "ü \n'"};
  std::vector<uint8_t> bytes{0, 255, 39, 92};
  auto rows = db_->read(
      "SELECT $1::bigint, $2::text, $3::boolean, $4::bytea, array_length($5::bigint[], 1), $6::text[] = "
      "ARRAY['', 'a,b', '{}', '\"', '\\', 'NULL', E'ü \\n''']::text[], NULL::text, ($5::bigint[])[3]",
      Params()
          .add(std::numeric_limits<int64_t>::min())
          .add("it's \"quoted\" \\ ü")
          .add(true)
          .add(std::span<const uint8_t>(bytes))
          .add(std::span<const int64_t>(numbers))
          .add(std::span<const std::string_view>(texts)));
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->integer(0, 0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows->text(0, 1), "it's \"quoted\" \\ ü");
  EXPECT_TRUE(rows->boolean(0, 2));
  EXPECT_EQ(rows->bytes(0, 3).value(), bytes);
  EXPECT_EQ(rows->integer(0, 4), 3);
  EXPECT_TRUE(rows->boolean(0, 5));
  EXPECT_TRUE(rows->null(0, 6));
  EXPECT_EQ(rows->text(0, 6), "");
  EXPECT_EQ(rows->integer(0, 7), numbers[2]);
}

TEST_P(PostgresDatabase, AZeroByteIsRefusedAndNotCut) {
  auto rows = db_->read("SELECT $1::text", Params().add(std::string_view("a\0b", 3)));
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::kInvalidRequest);
}

TEST_P(PostgresDatabase, AllOrNothing) {
  ASSERT_TRUE(db_->transact({}, [](Transaction& t) -> Result<void> {
    TRY_VOID(t.run("CREATE TABLE IF NOT EXISTS @.thing (n int)"));
    TRY_VOID(t.run("TRUNCATE @.thing"));
    return {};
  }));
  auto undone = db_->transact({}, [](Transaction& t) -> Result<void> {
    TRY_VOID(t.run("INSERT INTO @.thing VALUES (1)"));
    return fail(ErrorCode::kNotFound, "no", "p");
  });
  EXPECT_EQ(undone.error().code, ErrorCode::kNotFound);
  auto ignored = db_->transact({}, [](Transaction& t) -> Result<void> {
    TRY_VOID(t.run("INSERT INTO @.thing VALUES (2)"));
    EXPECT_FALSE(t.run("INSERT INTO @.thing VALUES ('x')"));
    return {};  // whoever overlooks the error must not hear that it was done
  });
  ASSERT_FALSE(ignored);
  EXPECT_THAT(ignored.error().message, HasSubstr("undone"));
  EXPECT_EQ(db_->read("SELECT count(*) FROM @.thing")->integer(0, 0), 0);
}

// Two transactions of one program may meet the same server connection, or two: nothing may be left in it.
TEST_P(PostgresDatabase, LeavesNothingInAConnection) {
  auto tenant = [&](Transaction& t) -> std::string {
    auto rows = t.run("SELECT current_setting('weir.tenant', true), current_setting('statement_timeout')");
    return rows ? std::string(rows->text(0, 0)) + "/" + std::string(rows->text(0, 1)) : rows.error().message;
  };
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(
        db_->transact({.tenant = "acme", .statement = seconds(9)}, [&](Transaction& t) -> Result<void> {
          EXPECT_EQ(tenant(t), "acme/9s");
          TRY_VOID(t.limit_to("other"));
          EXPECT_EQ(tenant(t), "other/9s");
          return {};
        }));
    auto after = db_->read(
        "SELECT coalesce(current_setting('weir.tenant', true), ''), "
        "current_setting('statement_timeout'), (SELECT count(*) FROM pg_prepared_statements)");
    EXPECT_EQ(after->text(0, 0), "");
    EXPECT_EQ(after->text(0, 1), "0");
    EXPECT_EQ(after->integer(0, 2), 0);
  }
}

TEST_P(PostgresDatabase, KeepsAConnection) {
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(db_->read("SELECT 1"));
  EXPECT_EQ(db_->connections(), 1u);
}

TEST_P(PostgresDatabase, AStatementHasABound) {
  auto slow = db_->transact({.statement = milliseconds(50)}, [](Transaction& t) -> Result<void> {
    TRY_VOID(t.run("SELECT pg_sleep(60)"));
    return {};
  });
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(slow.error().retryable);
  EXPECT_THAT(slow.error().message, HasSubstr("57014"));
  EXPECT_TRUE(db_->read("SELECT 1")) << "and the connection goes on";
}

TEST_P(PostgresDatabase, ABrokenConnectionIsReplaced) {
  ASSERT_TRUE(db_->read("SELECT 1"));
  TestServer::get().tell("stop");
  auto gone = db_->read("SELECT 1");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(gone.error().retryable);
  TestServer::get().tell("start");
  // pgbouncer notices by itself, within its server_login_retry.
  Result<void> back;
  for (int i = 0; i < 20; ++i)
    if ((back = db_->transact({}, [](Transaction& t) -> Result<void> {
          TRY_VOID(t.run("SELECT 1"));
          return {};
        })))
      break;
  EXPECT_TRUE(back) << back.error().message;
}

TEST_P(PostgresDatabase, ErrorsHoldNoSecret) {
  ASSERT_TRUE(db_->read("SELECT 1"));
  auto wrong = db_->read("SELECT $1::int", Params().add("hunter2"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kIo);
  EXPECT_THAT(wrong.error().message, HasSubstr("22P02"));
  for (const Error* e : {&wrong.error()})
    EXPECT_THAT(e->message, Not(HasSubstr("p@ss")));
}

TEST(PostgresConnection, StringsThatCannotWorkSaySoWithoutThem) {
  for (std::string_view text : {"postgresql://weir:sec%ZZret@db/weir", "password sec",
                                "postgresql://weir:s@secret@db/weir", "host=a secret=3"}) {
    auto db = Database::create({.connection = Secret(text)});
    ASSERT_FALSE(db) << text;
    EXPECT_EQ(db.error().code, ErrorCode::kConfig);
    EXPECT_THAT(db.error().message, Not(HasSubstr("sec")));
  }
}

TEST(PostgresConnection, AWrongPasswordAndNobodyThereAreTold) {
  auto refused = [](std::string text) {
    auto db = Database::create({.connection = Secret(std::move(text))});
    EXPECT_TRUE(db);
    return (*db)->read("SELECT 1").error();
  };
  std::string right(TestServer::get().connection(Way::kDirect).reveal());
  std::string folder = right.substr(right.rfind('@') + 1);
  Error wrong = refused("postgresql://weir:not-this-one@" + folder);
  EXPECT_EQ(wrong.code, ErrorCode::kUnavailable);
  EXPECT_THAT(wrong.message, HasSubstr("password authentication failed"));
  EXPECT_THAT(wrong.message, Not(HasSubstr("not-this-one")));
  Error nobody = refused("host=/nowhere user=weir password=hidden");
  EXPECT_EQ(nobody.code, ErrorCode::kUnavailable);
  EXPECT_THAT(nobody.message, Not(HasSubstr("hidden")));
  EXPECT_TRUE(nobody.retryable);
}

}  // namespace
}  // namespace weir::store::postgres
