#include "weir/base/trace_context.h"

#include <gtest/gtest.h>

#include <vector>

namespace weir {
namespace {

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TraceContext of(std::vector<Header> headers, std::string_view id = "req_1") {
  return TraceContext::of(headers, id);
}

TEST(TraceContext, GoesOnWithTheCallersTrace) {
  TraceContext context = of({{"host", "x"}, {"Traceparent", kParent}});
  EXPECT_TRUE(context.sampled);
  ASSERT_TRUE(context.parent);
  EXPECT_EQ((*context.parent)[1], 0xf0);
  std::string sent = context.traceparent();
  EXPECT_EQ(sent.size(), 55u);
  EXPECT_TRUE(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")) << sent;
  EXPECT_TRUE(sent.ends_with("-01"));
  EXPECT_NE(sent.substr(36, 16), kParent.substr(36, 16));
  EXPECT_FALSE(of({{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02"}}).sampled);
  // A later version: what it adds is not for us.
  EXPECT_TRUE(of({{"traceparent", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"}}).parent);
}

TEST(TraceContext, BeginsOneWhereNoneIsGiven) {
  TraceContext one = of({}), other = of({}, "req_2");
  EXPECT_FALSE(one.parent);
  EXPECT_FALSE(one.sampled);
  EXPECT_EQ(one, of({}));
  EXPECT_NE(one.trace, other.trace);
  EXPECT_NE(one.request, one.call);
  for (std::string_view bad : {"", "00-1-2-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                               "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                               "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                               "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                               "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                               "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bg-01",
                               "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                               "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"})
    EXPECT_EQ(of({{"traceparent", bad}}), one) << bad;
  EXPECT_EQ(of({{"traceparent", kParent}, {"traceparent", kParent}}), one);
}

}  // namespace
}  // namespace weir
