// An issuer's keys over days, in virtual time: how often they are asked for, and how long they stay when
// nobody answers. What is fetched over HTTP, and what waits for it: token_verifier_test.cc.
#include "weir/accounts/jwks_source.h"

#include <gtest/gtest.h>

#include "weir/accounts/jwt_testing.h"
#include "weir/io/sim/universe.h"

namespace weir::accounts {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// A machine with a file of keys, and a source that reads it.
struct Scene {
  Scene()
      : universe(io::sim::Universe::create(7, {})),
        machine(universe->add_machine("weir", "10.0.0.1", 1)),
        loop(*machine.boot().front()),
        source(
            loop,
            [this](const std::shared_ptr<const TokenKeys>& keys) {
              if (keys->issuers.empty() || keys->issuers[0]->fetches == seen) return;
              seen = keys->issuers[0]->fetches;
              if (last.ns != 0) shortest = std::min(shortest, loop.now() - last);
              last = loop.now();
            },
            [](bool, std::string_view) {}) {
    write(testing::kKeys);
  }
  ~Scene() {
    bool ended = false;
    group.start(end(source, ended));
    EXPECT_TRUE(universe->run_until([&] { return ended; }, minutes(1)));
  }
  static io::Task<void> end(JwksSource& source, bool& ended) {
    co_await source.finish();
    ended = true;
  }
  void write(std::string_view text) { EXPECT_TRUE(machine.disk().write_file("/keys.json", text, 0600)); }
  void start() {
    source.set_issuers({testing::public_issuer("/keys.json")});
    universe->run_for(seconds(1));
  }
  const IssuerKeys& now() { return *source.keys()->issuers.at(0); }
  bool has(const std::string& id) {
    return now().keys &&
           std::ranges::any_of(now().keys->keys(), [&](const TokenKey& k) { return k.id == id; });
  }

  std::unique_ptr<io::sim::Universe> universe;
  io::sim::Machine& machine;
  io::Loop& loop;
  uint64_t seen = 0;
  MonoTime last;
  Duration shortest = hours(1000);
  JwksSource source;
  io::TaskGroup group;
};

constexpr std::string_view kOther =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"new","x":"KXPBcj7F3Qcaen2MzOFxKJoCQHczAnNV2dMgKyIPpa8"}]})";

TEST(JwksSourceTime, AsksWhenKeysAreOldAndNotBefore) {
  Scene s;
  s.start();
  EXPECT_EQ(s.now().fetches, 1u);
  EXPECT_TRUE(s.has("ec"));
  uint64_t version = s.source.keys()->version;
  s.universe->run_for(minutes(9));
  EXPECT_EQ(s.now().fetches, 1u);
  s.universe->run_for(minutes(2));
  EXPECT_EQ(s.now().fetches, 2u);
  EXPECT_EQ(s.source.keys()->version, version);  // the same keys: what was verified stays so
  s.write(kOther);
  s.universe->run_for(minutes(11));
  EXPECT_TRUE(s.has("new") && !s.has("ec"));
  EXPECT_GT(s.source.keys()->version, version);
}

TEST(JwksSourceTime, AStormOfUnknownKeysIsOneFetchAMinute) {
  Scene s;
  s.start();
  for (int i = 0; i < 3600; ++i) {  // each second of an hour
    s.source.want("https://id.test");
    s.source.want("https://nobody.test");
    s.universe->run_for(seconds(1));
  }
  EXPECT_GE(s.now().fetches, 55u);
  EXPECT_LE(s.now().fetches, 61u);
  EXPECT_GE(s.shortest, kFetchPauseMin);
}

TEST(JwksSourceTime, KeysStayForADayWhenNobodyAnswers) {
  Scene s;
  s.start();
  s.machine.disk().remove("/keys.json");
  s.universe->run_for(minutes(11));
  EXPECT_TRUE(s.now().failing);
  EXPECT_TRUE(s.has("ec"));
  s.universe->run_for(hours(23));
  EXPECT_TRUE(s.has("ec"));
  s.universe->run_for(hours(1));
  EXPECT_FALSE(s.has("ec"));
  EXPECT_GE(s.shortest, kFetchPauseMin);
  s.write(testing::kKeys);
  s.universe->run_for(minutes(2));
  EXPECT_TRUE(s.has("ec"));
  EXPECT_FALSE(s.now().failing);
}

TEST(JwksSourceTime, AnAnswerThatIsNoSetChangesNothing) {
  Scene s;
  s.start();
  for (std::string_view text : {"", "[]", R"({"keys":[]})", R"({"keys":[{"kty":"oct","k":"AAAA"}]})"}) {
    s.write(text);
    s.universe->run_for(minutes(11));
    EXPECT_TRUE(s.now().failing) << text;
    EXPECT_TRUE(s.has("ec")) << text;
  }
}

}  // namespace
}  // namespace weir::accounts
