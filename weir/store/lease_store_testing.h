// For tests: what every LeaseStore must do, run against each adapter, and BookLeaseStore, the rules
// themselves as a store in memory. An adapter's test gives a shop, where replicas take leases:
//   struct RedisShop { io::Loop& loop(); std::unique_ptr<LeaseStore> store(std::string replica);
//                      void run(io::Task<void> task); };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Redis, LeaseStoreSuite, RedisShop);
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "weir/io/loop.h"
#include "weir/store/lease_book.h"
#include "weir/store/lease_store.h"

namespace weir::store {

inline LeaseTurn money_turn(int64_t limit, int64_t spent, int64_t need, int64_t want = 0) {
  LeaseTurn t;
  t.scope = "tenant/acme";
  t.day = 20'000;
  t.month = 24'000;
  t.turn = 1;
  BudgetAsk& ask = t.budgets[0];
  ask.limits = {-1, -1, limit};
  ask.spent = {spent, spent, spent};
  ask.need = need;
  ask.want = want;
  return t;
}

template <class Shop>
class LeaseStoreSuite : public ::testing::Test {
 protected:
  static constexpr milliseconds kLong = seconds(60);

  static io::Task<LeaseGrant> take(LeaseStore& store, LeaseTurn turn, milliseconds lease = kLong) {
    io::Cancel never;
    auto grants = co_await store.take({&turn, 1}, lease, never);
    EXPECT_TRUE(grants) << grants.error().message;
    if (!grants) co_return LeaseGrant();
    EXPECT_EQ(grants->size(), 1u);
    co_return grants->front();
  }
  Shop shop_;
};
TYPED_TEST_SUITE_P(LeaseStoreSuite);

TYPED_TEST_P(LeaseStoreSuite, GivesWhatIsNeededAndNoMoreThanThereIs) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, money_turn(1000, 0, 300));
      EXPECT_EQ(g.budgets[0].held, 300);
      EXPECT_EQ(g.budgets[0].free, 700);
      EXPECT_EQ(g.epoch, 1);
      EXPECT_EQ(g.replicas, 1);
      EXPECT_FALSE(g.stale || g.scarce);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 701));
      EXPECT_EQ(g.budgets[0].held, 0) << "not a part of what somebody needs whole";
      EXPECT_EQ(g.budgets[0].idle, 300);
      EXPECT_EQ(g.replicas, 2);
      EXPECT_TRUE(g.scarce);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 700));
      EXPECT_EQ(g.budgets[0].held, 700);
      EXPECT_EQ(g.budgets[0].free, 0);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, SlicesAreHalfOfAnEvenShareAtMost) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, money_turn(1000, 0, 0, 10'000));
      EXPECT_EQ(g.budgets[0].held, 500);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 10, 10'000));
      EXPECT_EQ(g.budgets[0].held, 125);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 10, 20));
      EXPECT_EQ(g.budgets[0].held, 20) << "what it does not ask for again comes back";
      EXPECT_EQ(g.budgets[0].free, 480);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, WhatWasSpentIsCountedOnceHoweverOftenItIsTold) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, money_turn(1000, 0, 400));
      LeaseTurn spent = money_turn(1000, 350, 0);
      spent.epoch = g.epoch;
      spent.turn = 2;
      spent.budgets[0].hold = 50;
      for (int i = 0; i < 3; ++i)
        g = co_await LeaseStoreSuite<TypeParam>::take(*a, spent);
      EXPECT_EQ(g.budgets[0].held, 50);
      EXPECT_EQ(g.budgets[0].free, 600);
      LeaseTurn before = spent;
      before.turn = 1;
      before.budgets[0].spent = {};
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, before);
      EXPECT_TRUE(g.stale) << "it came late";
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 0));
      EXPECT_EQ(g.budgets[0].others, (ByPeriod{350, 350, 350}));
      EXPECT_EQ(g.budgets[0].free, 600);
      // The next process of the same replica ends what the one before could still say.
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, money_turn(1000, 380, 0));
      EXPECT_EQ(g.epoch, 2);
      EXPECT_EQ(g.budgets[0].free, 620);
      spent.turn = 99;
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, spent);
      EXPECT_TRUE(g.stale);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 0));
      EXPECT_EQ(g.budgets[0].others[2], 380);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, ALeaseThatEndedComesBackAndItsReportStillCounts) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g =
          co_await LeaseStoreSuite<TypeParam>::take(*a, money_turn(1000, 0, 600), milliseconds(30));
      EXPECT_EQ(g.budgets[0].held, 600);
      MonoTime began = shop.loop().now();
      io::Cancel never;
      do {  // its slice is free when its lease is over, whenever that is asked
        g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 800));
        EXPECT_LT(to_seconds(shop.loop().now() - began), 20);
        if (g.budgets[0].held == 0) co_await io::sleep(shop.loop(), milliseconds(8), never);
      } while (g.budgets[0].held == 0 && to_seconds(shop.loop().now() - began) < 20);
      EXPECT_EQ(g.budgets[0].held, 800);
      EXPECT_EQ(g.replicas, 1);
      LeaseTurn late = money_turn(1000, 500, 0);
      late.epoch = 1;
      late.turn = 2;
      late.budgets[0].hold = 100;
      late.budgets[0].idle = 100;
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, late);
      EXPECT_EQ(g.budgets[0].held, 0) << "what it kept was given to another";
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, money_turn(1000, 0, 600));
      EXPECT_EQ(g.budgets[0].others[2], 500);
      EXPECT_EQ(g.budgets[0].held, 0);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, EachPeriodCountsForItself) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseTurn turn = money_turn(-1, 0, 10);
      turn.budgets[0].limits = {100, 1000, -1};
      turn.budgets[0].spent = {80, 700, 5000};
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn);
      EXPECT_EQ(g.budgets[0].free, 10);
      turn.budgets[0].spent = {5, 10, 15};
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn);
      EXPECT_EQ(g.budgets[0].free, 5) << "80 + 5 spent today, 10 held";
      EXPECT_EQ(g.budgets[0].held, 0);
      ++turn.day;
      turn.budgets[0].spent = {0, 10, 15};
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn);
      EXPECT_EQ(g.budgets[0].held, 10) << "the other one's yesterday";
      EXPECT_EQ(g.budgets[0].others, (ByPeriod{0, 700, 5000}));
      // Nothing limits tokens.
      EXPECT_GT(g.budgets[1].free, int64_t{1} << 50);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, ARateIsAMinutesWorthOfAllReplicas) {
  struct Play {
    static LeaseTurn turn(int64_t used, int64_t need, int64_t want, int64_t number, int64_t epoch) {
      LeaseTurn t;
      t.scope = "key/rate";
      t.epoch = epoch;
      t.turn = number;
      t.rates[2] = {.per_minute = 6, .granted = 0, .used = used, .need = need, .want = want};
      return t;
    }
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn(0, 4, 0, 1, 0));
      EXPECT_EQ(g.rates[2].granted, 4);
      EXPECT_EQ(g.rates[2].wait_us, 0);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn(0, 3, 0, 1, 0));
      EXPECT_EQ(g.rates[2].granted, 0);
      EXPECT_GT(g.rates[2].wait_us, 0);
      EXPECT_LE(g.rates[2].wait_us, 10'000'000) << "one of them flows out in ten seconds";
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn(1, 0, 0, 2, 1));
      EXPECT_EQ(g.rates[2].granted, 1) << "what it did not use flows back";
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn(0, 5, 0, 2, 1));
      EXPECT_EQ(g.rates[2].granted, 5);
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn(4, 0, 0, 3, 1));
      EXPECT_EQ(g.rates[2].granted, 4) << "what was owed is taken";
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn(5, 1, 0, 3, 1));
      EXPECT_EQ(g.rates[2].granted, 5);
      EXPECT_GT(g.rates[2].wait_us, 30'000'000);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, StreamsAreCountedOverAllReplicas) {
  struct Play {
    static LeaseTurn turn(int64_t hold, int64_t need, int64_t number, int64_t epoch) {
      LeaseTurn t;
      t.scope = "key/streams";
      t.turn = number;
      t.epoch = epoch;
      t.streams = {.most = 5, .hold = hold, .need = need};
      return t;
    }
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a"), b = shop.store("b");
      LeaseGrant g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn(3, 1, 1, 0));
      EXPECT_EQ(g.streams.held, 4);
      EXPECT_EQ(g.streams.free, 1);
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn(0, 2, 1, 0));
      EXPECT_EQ(g.streams.held, 0);
      EXPECT_EQ(g.streams.free, 2) << "one is free, one lies idle";
      g = co_await LeaseStoreSuite<TypeParam>::take(*a, turn(3, 0, 2, 1));
      EXPECT_TRUE(g.scarce) << "somebody wants what it may keep";
      g = co_await LeaseStoreSuite<TypeParam>::take(*b, turn(0, 2, 2, 1));
      EXPECT_EQ(g.streams.held, 2);
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

TYPED_TEST_P(LeaseStoreSuite, TakesManyTurnsAtOnce) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      auto a = shop.store("a");
      std::vector<LeaseTurn> turns;
      for (int i = 0; i < 300; ++i) {
        turns.push_back(money_turn(1000 + i, 7, i));
        turns.back().scope = "key/many-" + std::to_string(i);
      }
      io::Cancel never;
      auto grants = co_await a->take(turns, seconds(60), never);
      EXPECT_TRUE(grants) << grants.error().message;
      if (!grants || grants->size() != 300) co_return void(ADD_FAILURE());
      for (int i = 0; i < 300; ++i) {
        EXPECT_EQ((*grants)[i].budgets[0].held, i);
        EXPECT_EQ((*grants)[i].budgets[0].free, 1000 - 7);
      }
      auto none = co_await a->take({}, seconds(60), never);
      EXPECT_TRUE(none && none->empty());
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

// Whatever replicas do, the adapter and the rules say the same, and what is held and spent is never beyond
// the limit by more than what was spent without a lease.
TYPED_TEST_P(LeaseStoreSuite, DoesAsTheRulesSay) {
  struct Play {
    static io::Task<void> run(TypeParam& shop) {
      uint64_t state = 88172645463325252;
      auto below = [&](int64_t n) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return static_cast<int64_t>(state % static_cast<uint64_t>(n));
      };
      std::vector<std::unique_ptr<LeaseStore>> stores;
      for (const char* name : {"a", "b", "c"})
        stores.push_back(shop.store(name));
      std::array<int64_t, 3> epochs{}, numbers{};
      LeaseBook book;
      for (int i = 0; i < 400; ++i) {
        size_t who = static_cast<size_t>(below(3));
        LeaseTurn t;
        t.scope = "user/random";
        t.day = 20'000 + i / 150 + below(2);
        t.month = 24'000;
        t.epoch = below(20) == 0 ? 0 : epochs[who];
        t.turn = numbers[who] += below(10) == 0 ? -1 : 1;
        for (BudgetAsk& ask : t.budgets) {
          for (int64_t& limit : ask.limits)
            limit = below(4) == 0 ? -1 : below(100'000);
          for (int64_t& spent : ask.spent)
            spent = below(10'000 + i * 50);
          ask.idle = below(500);
          ask.hold = ask.idle + below(1000);
          ask.need = below(3) == 0 ? below(5000) : 0;
          ask.want = below(9000);
        }
        t.streams = {
            .most = below(40), .hold = 5 + below(9), .idle = below(5), .need = below(2), .want = below(9)};
        LeaseGrant expected =
            book.take(std::string(1, static_cast<char>('a' + who)), t, 1'000'000, 60'000'000);
        LeaseGrant got = co_await LeaseStoreSuite<TypeParam>::take(*stores[who], t);
        EXPECT_EQ(numbers_of(got), numbers_of(expected)) << i;
        epochs[who] = got.epoch;
        if (::testing::Test::HasFailure()) co_return;
      }
    }
  };
  this->shop_.run(Play::run(this->shop_));
}

REGISTER_TYPED_TEST_SUITE_P(LeaseStoreSuite, GivesWhatIsNeededAndNoMoreThanThereIs,
                            SlicesAreHalfOfAnEvenShareAtMost, WhatWasSpentIsCountedOnceHoweverOftenItIsTold,
                            ALeaseThatEndedComesBackAndItsReportStillCounts, EachPeriodCountsForItself,
                            ARateIsAMinutesWorthOfAllReplicas, StreamsAreCountedOverAllReplicas,
                            TakesManyTurnsAtOnce, DoesAsTheRulesSay);

}  // namespace weir::store
