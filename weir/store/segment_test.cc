#include "weir/store/segment.h"

#include <gtest/gtest.h>

#include "weir/store/testing.h"

namespace weir::store {
namespace {

TEST(Segment, GivesEventsInOrder) {
  TestBatch made("r", 7, 10);
  SegmentReader reader(made.bytes);
  for (uint64_t s = 7; s < 10; ++s) {
    auto event = reader.next();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->sequence, s);
    EXPECT_EQ(event->bytes.size(), 40u);
    EXPECT_EQ(static_cast<char>(event->bytes[2]), static_cast<char>('0' + s % 10)) << "r/" << s;
  }
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.broken());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(Segment, ACutOneIsBroken) {
  TestBatch made("r", 1, 3);
  for (size_t size = 1; size < made.bytes.size(); ++size) {
    SegmentReader reader(std::span(made.bytes).first(size));
    size_t events = 0;
    while (reader.next())
      ++events;
    bool whole_events = size == made.bytes.size() / 2;
    EXPECT_EQ(reader.broken(), !whole_events) << size;
    EXPECT_EQ(events, size < made.bytes.size() / 2 ? 0u : 1u) << size;
  }
}

}  // namespace
}  // namespace weir::store
