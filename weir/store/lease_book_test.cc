#include "weir/store/lease_book.h"

#include "weir/io/net/test_loop.h"
#include "weir/store/book_lease_store_testing.h"
#include "weir/store/lease_store_testing.h"

namespace weir::store {
namespace {

struct BookShop {
  io::Loop& loop() { return test.loop(); }
  std::unique_ptr<LeaseStore> store(std::string replica) {
    return std::make_unique<BookLeaseStore>(loop(), books, std::move(replica));
  }
  void run(io::Task<void> task) { test.run(std::move(task)); }
  io::net::TestLoop test;
  LeaseBooks books;
};

}  // namespace
INSTANTIATE_TYPED_TEST_SUITE_P(Book, LeaseStoreSuite, BookShop);

namespace {

TEST(LeaseBook, IsATextBetweenTwoTurns) {
  LeaseBook book;
  EXPECT_EQ(LeaseBook::parse("")->text(), book.text());
  LeaseTurn turn = money_turn(1000, 1, 300);
  turn.rates[0] = {.per_minute = 60, .granted = 0, .used = 0, .need = 3};
  book.take("replica-1", turn, 5'000'000, 3'000'000);
  auto same = LeaseBook::parse(book.text());
  ASSERT_TRUE(same);
  EXPECT_EQ(same->text(), book.text());
  for (std::string_view text : {"2", "1 x", "1 0 0 0 0", "1 0 0 0 0 0 replica 1 2 3"})
    EXPECT_FALSE(LeaseBook::parse(text)) << text;
}

TEST(LeaseNumbers, AreTheWholeTurnAndItsAnswer) {
  LeaseTurn turn = money_turn(1000, 7, 300, 5);
  turn.streams = {1, 2, 3, 4, 5};
  turn.rates[3] = {1, 2, 3, 4, 5};
  auto numbers = numbers_of(turn);
  auto again = lease_turn_of(turn.scope, numbers);
  ASSERT_TRUE(again);
  EXPECT_EQ(numbers_of(*again), numbers);
  numbers.pop_back();
  EXPECT_FALSE(lease_turn_of("x", numbers));
  LeaseGrant grant;
  grant.stale = true;
  grant.epoch = 9;
  grant.streams.free = 4;
  auto same = lease_grant_of(numbers_of(grant));
  ASSERT_TRUE(same);
  EXPECT_EQ(numbers_of(*same), numbers_of(grant));
  EXPECT_FALSE(lease_grant_of({}));
}

}  // namespace
}  // namespace weir::store
