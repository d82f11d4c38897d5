#include "weir/io/cancel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace weir::io {
namespace {

struct Node final : CancelNode {
  void on_cancel(CancelReason reason) override {
    told.push_back(reason);
    if (then) then();
  }
  std::vector<CancelReason> told;
  std::function<void()> then;
};

TEST(CancelTest, TellsEveryWaitOnceWithTheFirstReason) {
  Cancel scope;
  Node a, b;
  scope.add(a);
  scope.add(b);
  scope.request(CancelReason::kIdleTimeout);
  scope.request(CancelReason::kShutdown);
  EXPECT_EQ(a.told, std::vector{CancelReason::kIdleTimeout});
  EXPECT_EQ(b.told, std::vector{CancelReason::kIdleTimeout});
  EXPECT_EQ(scope.reason(), CancelReason::kIdleTimeout);
  EXPECT_FALSE(a.linked());
}

TEST(CancelTest, ForgetsWaitsThatEnded) {
  Cancel scope;
  Node stays;
  {
    Node gone;
    scope.add(gone);
    scope.add(stays);
  }
  Node left;
  scope.add(left);
  left.unlink();
  scope.request(CancelReason::kClientLeft);
  EXPECT_EQ(stays.told.size(), 1u);
  EXPECT_TRUE(left.told.empty());
}

TEST(CancelTest, ReachesChildrenButNotParents) {
  Cancel parent;
  Cancel child(parent), sibling(parent);
  Cancel grandchild(child);
  Node node;
  grandchild.add(node);
  sibling.request(CancelReason::kConnectTimeout);
  EXPECT_FALSE(parent.requested());
  EXPECT_FALSE(child.requested());
  parent.request(CancelReason::kTotalTimeout);
  EXPECT_EQ(node.told, std::vector{CancelReason::kTotalTimeout});
  EXPECT_EQ(child.reason(), CancelReason::kTotalTimeout);
  EXPECT_EQ(sibling.reason(), CancelReason::kConnectTimeout);
}

TEST(CancelTest, AChildOfACancelledScopeIsBornCancelled) {
  Cancel parent;
  parent.request(CancelReason::kShutdown);
  Cancel child(parent);
  EXPECT_EQ(child.reason(), CancelReason::kShutdown);
}

TEST(CancelTest, AWokenWaitMayDestroyTheScopeAndItsNeighbours) {
  auto scope = std::make_unique<Cancel>();
  auto neighbour = std::make_unique<Node>();
  Node first;
  first.then = [&] {
    neighbour.reset();
    scope.reset();
  };
  scope->add(first);
  scope->add(*neighbour);
  scope->request(CancelReason::kAbandoned);
  EXPECT_EQ(first.told.size(), 1u);
  EXPECT_EQ(scope, nullptr);
}

TEST(CancelTest, NamesAreStableAndDistinct) {
  EXPECT_EQ(name(CancelReason::kFirstTokenTimeout), "first_token_timeout");
  EXPECT_EQ(name(CancelReason::kClientLeft), "client_left");
  for (int i = 0; i <= static_cast<int>(CancelReason::kAbandoned); ++i)
    for (int j = 0; j < i; ++j)
      EXPECT_NE(name(static_cast<CancelReason>(i)), name(static_cast<CancelReason>(j)));
}

}  // namespace
}  // namespace weir::io
