#include "weir/admin/sign_in_limit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weir::admin {
namespace {

MonoTime at(double s) {
  return {static_cast<int64_t>(s * 1e9)};
}

TEST(SignInLimit, AMinutesWorthAtOnceThenAsManyAsFlowOut) {
  SignInLimit limit;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(limit.failed("10.0.0.1", 20, at(100)), 0) << i;
  EXPECT_EQ(limit.failed("10.0.0.1", 20, at(100)), 3);
  EXPECT_EQ(limit.failed("10.0.0.1", 20, at(101)), 2) << "what was refused does not count";
  EXPECT_EQ(limit.failed("10.0.0.1", 20, at(103)), 0);
  EXPECT_EQ(limit.failed("10.0.0.1", 20, at(103)), 3);
  EXPECT_EQ(limit.failed("10.0.0.1", 20, at(1000)), 0);
}

TEST(SignInLimit, NoAddressPaysForAnother) {
  SignInLimit limit;
  EXPECT_EQ(limit.failed("10.0.0.1", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("10.0.0.1", 1, at(100)), 60);
  EXPECT_EQ(limit.failed("10.0.0.2", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("unix", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("::ffff:10.0.0.3", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("::ffff:10.0.0.4", 1, at(100)), 0);
}

TEST(SignInLimit, AHostHasAWholeNetworkOfIpv6) {
  SignInLimit limit;
  EXPECT_EQ(limit.failed("2001:db8::1", 1, at(100)), 0);
  EXPECT_GT(limit.failed("2001:db8::2", 1, at(100)), 0);
  EXPECT_GT(limit.failed("2001:db8:0:0:1:2:3:4", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("2001:db8:0:1::1", 1, at(100)), 0);
  EXPECT_EQ(limit.failed("::1", 1, at(100)), 0);
  EXPECT_GT(limit.failed("::2", 1, at(100)), 0);
  EXPECT_EQ(limit.addresses(), 3u);
}

TEST(SignInLimit, ZeroIsNoLimit) {
  SignInLimit limit;
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(limit.failed("10.0.0.1", 0, at(100)), 0);
  EXPECT_EQ(limit.addresses(), 0u);
}

TEST(SignInLimit, ManyAddressesHaveABoundAndTheWorstStaysKnown) {
  SignInLimit limit;
  for (int i = 0; i < 20; ++i)
    limit.failed("10.0.0.1", 20, at(100));
  for (int i = 0; i < 20'000; ++i) {
    limit.failed(fmt::format("10.1.{}.{}", i / 256, i % 256), 20, at(100 + i * 1e-6));
    ASSERT_LE(limit.addresses(), SignInLimit::kAddressesMax);
  }
  EXPECT_GT(limit.failed("10.0.0.1", 20, at(100)), 0) << "who failed most is not forgotten for those";
}

}  // namespace
}  // namespace weir::admin
