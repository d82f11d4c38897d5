#include "weir/quota/bank.h"

#include <gmock/gmock.h>

#include "weir/io/sim/test_universe.h"
#include "weir/store/book_lease_store_testing.h"

namespace weir::quota {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kMoney = 1'000'000;

Limits total(int64_t nanodollars) {
  Limits limits;
  limits.budgets.push_back({BudgetPeriod::kTotal, nanodollars, {}});
  return limits;
}

// A store that can be away.
class Shop final : public store::LeaseStore {
 public:
  Shop(io::Loop& loop, store::LeaseBooks& books, const bool& away, std::string replica)
      : loop_(loop), store_(loop, books, std::move(replica)), away_(away) {}
  io::Task<Result<std::vector<store::LeaseGrant>>> take(std::span<const store::LeaseTurn> turns,
                                                        milliseconds lease, io::Cancel& cancel) override {
    co_await io::sleep(loop_, milliseconds(1), cancel);
    if (away_) co_return fail_internal(ErrorCode::kIo, "away");
    co_return co_await store_.take(turns, lease, cancel);
  }

 private:
  io::Loop& loop_;
  store::BookLeaseStore store_;
  const bool& away_;
};

struct Replica {
  Replica(io::Loop& l, store::LeaseBooks& books, const bool& away, std::string name, const Limits& limits,
          store::SpentByScope spent = {})
      : loop(l), metrics(register_bank_metrics(registry)) {
    meters.begin_with(std::move(spent), now());
    bank.emplace(
        loop, std::make_unique<Shop>(loop, books, away, std::move(name)), meters, registry, metrics,
        [this](bool, std::string_view) { ++said; }, Bank::Options{});
    renewals.emplace(loop, *bank);
    meter = meters.meter_of("tenant", "acme", limits);
    bank->start({&*renewals});
  }
  Moment now() const { return Moment::at(loop.now(), loop.wall_now()); }

  // As the pipeline does.
  io::Task<std::optional<Refusal>> reserve(int64_t nanodollars) {
    MonoTime until = loop.now() + seconds(1);
    for (;;) {
      auto no = meter->reserve({0, 0, nanodollars}, now());
      if (!no || !no->waits || loop.now() >= until) co_return no;
      ++waits;
      if (!co_await renewals->wait(*no->waits, until - loop.now(), never)) co_return no;
    }
  }
  void settle(int64_t reserved, int64_t used) { meter->settle({0, 0, reserved}, {0, 0, used}, now()); }

  io::Loop& loop;
  io::Cancel never;
  telemetry::Registry registry;
  BankMetrics metrics;
  MeterTable meters;
  std::optional<Bank> bank;
  std::optional<Renewals> renewals;
  std::shared_ptr<Meter> meter;
  int waits = 0, said = 0;
};

struct World {
  io::sim::TestUniverse universe;
  store::LeaseBooks books;
  bool away = false;
  io::Loop& a() { return universe.client(); }
  io::Loop& b() { return universe.server(); }
};

TEST(Bank, ReplicasShareABudgetToTheLastPart) {
  struct Play {
    static io::Task<void> run(World& world) {
      Replica a(world.a(), world.books, world.away, "a", total(kMoney));
      Replica b(world.b(), world.books, world.away, "b", total(kMoney));
      int64_t spent = 0;
      int refused = 0;
      for (int i = 0; refused < 4; ++i) {
        Replica& r = i % 3 ? a : b;
        auto no = co_await r.reserve(1000);
        refused = no ? refused + 1 : 0;
        if (no) EXPECT_EQ(no->limit, Limit::kBudget);
        if (no) continue;
        r.settle(1000, 900);
        spent += 900;
        co_await io::sleep(r.loop, milliseconds(8), r.never);
      }
      EXPECT_LE(spent, kMoney);
      EXPECT_GT(spent, kMoney - 1000) << "what is left is less than a request";
      EXPECT_LT(a.waits, 200) << "of 740: it has a slice when it is used";
      co_await io::sleep(a.loop, seconds(1), a.never);
      for (Replica* r : {&a, &b}) {
        EXPECT_EQ(r->meter->budgets(r->now()).front().spent_nanodollars, spent) << "both know all of it";
        co_await r->bank->finish();
        EXPECT_THAT(r->bank->warnings(), IsEmpty());
        EXPECT_EQ(r->bank->unleased()[0], 0);
      }
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

TEST(Bank, ARateIsOneForAllReplicas) {
  struct Play {
    static io::Task<void> run(World& world) {
      Limits limits{.requests_per_minute = 60};
      Replica a(world.a(), world.books, world.away, "a", limits);
      Replica b(world.b(), world.books, world.away, "b", limits);
      int taken = 0;
      int64_t told_to_wait = 0;
      for (int i = 0; i < 200; ++i) {
        Replica& r = i % 2 ? a : b;
        MonoTime until = r.loop.now() + seconds(1);
        for (;;) {
          auto no = r.meter->take_request(r.now());
          taken += !no;
          if (no && !no->waits) told_to_wait = std::max(told_to_wait, no->retry_after_s);
          if (!no || !no->waits || r.loop.now() >= until) break;
          co_await r.renewals->wait(*no->waits, until - r.loop.now(), r.never);
        }
      }
      EXPECT_GE(taken, 60);
      EXPECT_LE(taken, 66) << "one flows out each second";
      EXPECT_GE(told_to_wait, 1);
      co_await a.bank->finish();
      co_await b.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

TEST(Bank, StreamsOfOneReplicaAreNotThoseOfAnother) {
  struct Play {
    static io::Task<bool> stream(Replica& r) {
      MonoTime until = r.loop.now() + seconds(1);
      for (;;) {
        auto no = r.meter->take_stream(r.now());
        if (!no) co_return true;
        if (!no->waits || r.loop.now() >= until) co_return false;
        co_await r.renewals->wait(*no->waits, until - r.loop.now(), r.never);
      }
    }
    static io::Task<void> run(World& world) {
      Limits limits{.streams = 3};
      Replica a(world.a(), world.books, world.away, "a", limits);
      Replica b(world.b(), world.books, world.away, "b", limits);
      EXPECT_TRUE(co_await stream(a));
      EXPECT_TRUE(co_await stream(b));
      EXPECT_TRUE(co_await stream(a));
      EXPECT_FALSE(co_await stream(a));
      EXPECT_FALSE(co_await stream(b));
      a.meter->give_back_stream();
      MonoTime began = b.loop.now();
      bool got = false;
      while (!got && b.loop.now() - began < seconds(3)) {
        got = co_await stream(b);
        co_await io::sleep(b.loop, milliseconds(50), b.never);
      }
      EXPECT_TRUE(got) << "what one gave back is the other's";
      co_await a.bank->finish();
      co_await b.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

// The store goes away and comes back: never all denied, never without bound, and all of it is known after.
TEST(Bank, GoesOnWithItsShareWhileTheStoreIsAway) {
  struct Play {
    static io::Task<void> run(World& world) {
      Replica a(world.a(), world.books, world.away, "a", total(kMoney));
      Replica b(world.b(), world.books, world.away, "b", total(kMoney));
      for (Replica* r : {&a, &b}) {
        EXPECT_FALSE(co_await r->reserve(100'000));
        r->settle(100'000, 100'000);
      }
      co_await io::sleep(a.loop, milliseconds(500), a.never);
      world.away = true;
      int64_t spent = 200'000;
      for (Replica* r : {&a, &b}) {
        int64_t mine = 0;
        while (!co_await r->reserve(1000)) {
          r->settle(1000, 1000);
          mine += 1000;
          if (mine > 2 * kMoney) co_return void(ADD_FAILURE() << "without bound");
        }
        EXPECT_GT(mine, 300'000) << "half of what was left, about";
        EXPECT_THAT(r->bank->warnings(), SizeIs(1));
        EXPECT_EQ(r->said, 1);
        spent += mine;
      }
      EXPECT_LE(spent, kMoney);
      world.away = false;
      co_await io::sleep(a.loop, seconds(4), a.never);
      for (Replica* r : {&a, &b}) {
        EXPECT_EQ(r->meter->budgets(r->now()).front().spent_nanodollars, spent);
        EXPECT_THAT(r->bank->warnings(), IsEmpty());
        EXPECT_GT(r->bank->unleased()[0], 0);
      }
      EXPECT_FALSE(co_await a.reserve((kMoney - spent) / 2));
      co_await a.bank->finish();
      co_await b.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

TEST(Bank, AReplicaThatNeverReachedTheStoreHasAThird) {
  struct Play {
    static io::Task<void> run(World& world) {
      world.away = true;
      Replica a(world.a(), world.books, world.away, "a", total(kMoney));
      int64_t spent = 0;
      while (!co_await a.reserve(1000)) {
        a.settle(1000, 1000);
        spent += 1000;
      }
      EXPECT_EQ(spent, kMoney / 3 / 1000 * 1000);
      co_await a.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

// A store that comes back empty knows only who has asked it again. Who would believe that it is alone would,
// when the store goes once more, take for itself what all may use.
TEST(Bank, FewerReplicasAreBelievedAfterAWhileOnly) {
  struct Play {
    static io::Task<void> run(World& world) {
      bool b_is_cut_off = false;
      Replica a(world.a(), world.books, world.away, "a", total(kMoney));
      Replica b(world.b(), world.books, b_is_cut_off, "b", total(kMoney));
      for (Replica* r : {&a, &b}) {
        EXPECT_FALSE(co_await r->reserve(100'000));
        r->settle(100'000, 100'000);
      }
      co_await io::sleep(a.loop, milliseconds(500), a.never);
      world.away = b_is_cut_off = true;
      co_await io::sleep(a.loop, seconds(1), a.never);
      world.books = {};
      world.away = false;
      co_await io::sleep(a.loop, seconds(2), a.never);
      EXPECT_FALSE(co_await a.reserve(1000));  // it is served
      a.settle(1000, 1000);
      EXPECT_THAT(a.bank->warnings(), IsEmpty());
      world.away = true;
      int64_t mine = 1000;
      while (!co_await a.reserve(1000)) {
        a.settle(1000, 1000);
        mine += 1000;
      }
      EXPECT_LE(mine, 450'000) << "half of what was left: the other may take the rest";
      EXPECT_GT(mine, 300'000);
      co_await a.bank->finish();
      co_await b.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

// What a crash kept from the store is told by the next process from its own ledger.
TEST(Bank, TellsWhatAFormerRunSpent) {
  struct Play {
    static io::Task<void> run(World& world) {
      store::SpentByScope spent;
      spent["tenant"]["acme"].total = {700'000, 5};
      Replica a(world.a(), world.books, world.away, "a", total(kMoney), spent);
      Replica b(world.b(), world.books, world.away, "b", total(kMoney));
      co_await io::sleep(a.loop, milliseconds(100), a.never);
      auto no = co_await b.reserve(300'001);
      EXPECT_TRUE(no);
      EXPECT_FALSE(co_await b.reserve(300'000));
      b.settle(300'000, 0);
      co_await a.bank->finish();
      co_await b.bank->finish();
    }
  };
  World world;
  world.universe.run(Play::run(world));
}

}  // namespace
}  // namespace weir::quota
