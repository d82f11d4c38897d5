// The room on made-up times: the timer wheel is driven by the test.
#include "weir/server/waiting_room.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "weir/server/late_loop.h"

namespace weir::server {
namespace {

using End = WaitingRoom::End;

struct Scene {
  explicit Scene(WaitingRoom::Options options) { room.set_options(options); }
  void come(char name) { tasks.start(one(name, cancels.emplace_back(std::make_unique<io::Cancel>()).get())); }
  io::Task<void> one(char name, io::Cancel* cancel) {
    End end = co_await room.wait(*cancel);
    said += name;
    said += end == End::kCalled ? "+ " : end == End::kTooLong ? "- " : "x ";
  }
  LateLoop loop;
  WaitingRoom room{loop};
  std::vector<std::unique_ptr<io::Cancel>> cancels;
  io::TaskGroup tasks;
  std::string said;
};

TEST(WaitingRoom, CallsWhoCameFirst) {
  Scene s({});
  for (char c : {'a', 'b', 'c'})
    s.come(c);
  s.room.call();
  s.room.call();
  s.come('d');
  s.room.call();
  s.room.call();
  EXPECT_EQ(s.said, "a+ b+ c+ d+ ");
  EXPECT_TRUE(s.room.empty());
  EXPECT_EQ(s.loop.wheel.armed(), 0u);
}

TEST(WaitingRoom, NobodyWaitsLongerThanTheLimit) {
  Scene s({.wait_max = milliseconds(100)});
  s.come('a');
  s.loop.pass(milliseconds(60));
  s.come('b');
  s.loop.pass(milliseconds(39));
  EXPECT_EQ(s.said, "");
  s.loop.pass(milliseconds(10));  // a tick of the wheel later at most
  EXPECT_EQ(s.said, "a- ");
  s.loop.pass(milliseconds(50));
  EXPECT_EQ(s.said, "a- ");
  s.loop.pass(milliseconds(10));
  EXPECT_EQ(s.said, "a- b- ");
  EXPECT_TRUE(s.room.empty());
  EXPECT_EQ(s.loop.wheel.armed(), 0u);
}

TEST(WaitingRoom, WhoLeavesGivesUpItsPlace) {
  Scene s({.places = 2});
  s.come('a');
  s.come('b');
  EXPECT_TRUE(s.room.full(s.loop.time));
  s.cancels[0]->request(io::CancelReason::kClientLeft);
  EXPECT_EQ(s.said, "ax ");
  EXPECT_FALSE(s.room.full(s.loop.time));
  s.room.call();
  EXPECT_EQ(s.said, "ax b+ ");
  s.cancels[1]->request(io::CancelReason::kClientLeft);  // it is no longer here
  EXPECT_EQ(s.said, "ax b+ ");
}

TEST(WaitingRoom, IsShorterWhileItIsCrowded) {
  Scene s({});
  for (size_t i = 0; i < WaitingRoom::kCrowdedPlaces; ++i)
    s.come('a');
  EXPECT_FALSE(s.room.full(s.loop.time));
  s.room.crowd_until(s.loop.time + seconds(2));
  s.room.crowd_until(s.loop.time + seconds(1));  // the later one stands
  EXPECT_TRUE(s.room.full(s.loop.time + milliseconds(1999)));
  EXPECT_FALSE(s.room.full(s.loop.time + seconds(2)));
  s.room.call();
  EXPECT_FALSE(s.room.full(s.loop.time));
  while (!s.room.empty())
    s.room.call();
}

TEST(WaitingRoom, WithoutPlacesItIsAlwaysFull) {
  Scene s({.places = 0});
  EXPECT_TRUE(s.room.full(s.loop.time));
}

}  // namespace
}  // namespace weir::server
