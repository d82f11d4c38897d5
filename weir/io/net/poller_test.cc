// What the loop relies on: edges told once, nothing told of what was forgotten, turns in rounds.
#include "weir/io/net/poller.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <memory>
#include <vector>

namespace weir::io::net {
namespace {

struct Pipe {
  Pipe() : fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  void fill() const {
    uint64_t one = 1;
    EXPECT_EQ(::write(fd.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  Fd fd;
};

struct Told final : Poller::Watch {
  void on_ready(uint32_t) override {
    ++times;
    if (also_forget) also_forget->forget_now();
  }
  void forget_now() { poller->forget(fd, *this); }
  Poller* poller = nullptr;
  int fd = -1;
  int times = 0;
  Told* also_forget = nullptr;
};

TEST(PollerTest, AnEdgeIsToldOnceALevelAsLongAsItLasts) {
  Poller poller = *Poller::create();
  Pipe edge, level;
  Told of_edge, of_level;
  ASSERT_EQ(poller.watch(edge.fd.get(), EPOLLIN | EPOLLET, of_edge), 0);
  ASSERT_EQ(poller.watch(level.fd.get(), EPOLLIN, of_level), 0);
  edge.fill();
  level.fill();
  for (int i = 0; i < 3; ++i)
    poller.wait(0);
  EXPECT_EQ(of_edge.times, 1);
  EXPECT_EQ(of_level.times, 3);
  edge.fill();
  poller.wait(0);
  EXPECT_EQ(of_edge.times, 2);
  ASSERT_EQ(poller.change(edge.fd.get(), EPOLLIN | EPOLLET, of_edge), 0);  // looks anew
  poller.wait(0);
  EXPECT_EQ(of_edge.times, 3);
}

// Both are ready in one wait; whichever is told first forgets the other.
TEST(PollerTest, WhatIsForgottenInsideAWaitIsNotTold) {
  Poller poller = *Poller::create();
  Pipe pipes[2];
  Told told[2];
  for (int i = 0; i < 2; ++i) {
    told[i].poller = &poller;
    told[i].fd = pipes[i].fd.get();
    told[i].also_forget = &told[1 - i];
    ASSERT_EQ(poller.watch(told[i].fd, EPOLLIN, told[i]), 0);
    pipes[i].fill();
  }
  poller.wait(0);
  EXPECT_EQ(told[0].times + told[1].times, 1);
  poller.wait(0);
  EXPECT_EQ(told[0].times + told[1].times, 2);
  EXPECT_TRUE(told[0].times == 0 || told[1].times == 0);
}

TEST(PollerTest, ADescriptorIsWatchedOnce) {
  Poller poller = *Poller::create();
  Pipe pipe;
  Told told;
  EXPECT_EQ(poller.watch(pipe.fd.get(), EPOLLIN, told), 0);
  EXPECT_EQ(poller.watch(pipe.fd.get(), EPOLLIN, told), EEXIST);
  poller.forget(pipe.fd.get(), told);
  EXPECT_EQ(poller.change(pipe.fd.get(), EPOLLIN, told), ENOENT);
}

struct Again final : Poller::Turn {
  explicit Again(Poller& p) : poller(p) {}
  void on_turn() override {
    ++times;
    poller.soon(*this);
    dropped.reset();
  }
  Poller& poller;
  int times = 0;
  std::unique_ptr<Again> dropped;
};

TEST(PollerTest, ATurnAskedForInsideATurnComesNextTimeRound) {
  Poller poller = *Poller::create();
  Again again(poller);
  again.dropped = std::make_unique<Again>(poller);
  poller.soon(again);
  poller.soon(again);
  poller.soon(*again.dropped);  // gone before its turn
  poller.run_turns();
  EXPECT_EQ(again.times, 1);
  EXPECT_TRUE(poller.has_turns());
  poller.run_turns();
  EXPECT_EQ(again.times, 2);
}

}  // namespace
}  // namespace weir::io::net
