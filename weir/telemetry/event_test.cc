#include "weir/telemetry/event.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::telemetry {
namespace {

Event full_event() {
  Event e{.event_class = EventClass::kUsage,
          .received_unix_ns = 1'764'000'000'123'456'789,
          .parsed_us = 11,
          .connected_us = 22,
          .first_byte_us = 3'333'333'333,  // does not fit 32 bits
          .first_token_us = -1,
          .ended_us = 86'400'000'000,
          .input_tokens = 0,
          .output_tokens = 7,
          .cached_input_tokens = -1,
          .reasoning_tokens = 9'000'000'000,
          .cost_nanodollars = 325'000,
          .input_nanodollars = 100'000,
          .cache_read_nanodollars = 20'000,
          .cache_write_nanodollars = 3'000,
          .cache_write_tokens = 17,
          .cache_write_1h_tokens = 4,
          .price_version = 20261120,
          .request_bytes = 1024,
          .answer_bytes = 5,
          .stream_events = 77,
          .status = 499,
          .attempts = 3,
          .streamed = true,
          .usage_estimated = true};
  constexpr std::string_view kTexts[kEventTexts] = {"req_0123456789abcdef01234567",
                                                    "team-a",
                                                    "fast",
                                                    "gpt-4o-mini",
                                                    "openai",
                                                    "gpt-4o-mini-2024",
                                                    "api.example:443",
                                                    "chat",
                                                    "upstream",
                                                    "headers_timeout",
                                                    "10.0.0.7",
                                                    "tn_4fGh2kLm",
                                                    "te_1",
                                                    "us_9",
                                                    "4fGh2kLm",
                                                    "planner",
                                                    "run-17",
                                                    "invoices",
                                                    "primary gpt-4o"};
  std::ranges::copy(kTexts, e.texts.begin());
  return e;
}

std::vector<std::byte> encoded(const Event& e) {
  std::vector<std::byte> bytes(kEventBytesMax);
  bytes.resize(encode(e, bytes));
  return bytes;
}

void expect_same(const Event& a, const Event& b) {
  EXPECT_EQ(a.event_class, b.event_class);
  EXPECT_EQ(a.received_unix_ns, b.received_unix_ns);
  EXPECT_EQ(a.parsed_us, b.parsed_us);
  EXPECT_EQ(a.connected_us, b.connected_us);
  EXPECT_EQ(a.first_byte_us, b.first_byte_us);
  EXPECT_EQ(a.first_token_us, b.first_token_us);
  EXPECT_EQ(a.ended_us, b.ended_us);
  EXPECT_EQ(a.input_tokens, b.input_tokens);
  EXPECT_EQ(a.output_tokens, b.output_tokens);
  EXPECT_EQ(a.cached_input_tokens, b.cached_input_tokens);
  EXPECT_EQ(a.reasoning_tokens, b.reasoning_tokens);
  EXPECT_EQ(a.cost_nanodollars, b.cost_nanodollars);
  EXPECT_EQ(a.input_nanodollars, b.input_nanodollars);
  EXPECT_EQ(a.cache_read_nanodollars, b.cache_read_nanodollars);
  EXPECT_EQ(a.cache_write_nanodollars, b.cache_write_nanodollars);
  EXPECT_EQ(a.cache_write_tokens, b.cache_write_tokens);
  EXPECT_EQ(a.cache_write_1h_tokens, b.cache_write_1h_tokens);
  EXPECT_EQ(a.price_version, b.price_version);
  EXPECT_EQ(a.usage_estimated, b.usage_estimated);
  EXPECT_EQ(a.request_bytes, b.request_bytes);
  EXPECT_EQ(a.answer_bytes, b.answer_bytes);
  EXPECT_EQ(a.stream_events, b.stream_events);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.attempts, b.attempts);
  EXPECT_EQ(a.streamed, b.streamed);
  EXPECT_EQ(a.texts_cut, b.texts_cut);
  EXPECT_EQ(a.texts, b.texts);
}

TEST(Event, ComesBackAsItWasWritten) {
  for (const Event& e : {full_event(), Event{}}) {
    std::vector<std::byte> bytes = encoded(e);
    auto back = decode(bytes);
    ASSERT_TRUE(back);
    expect_same(*back, e);
  }
}

TEST(Event, TextsThatDoNotFitAreCutFromTheLastOn) {
  Event e = full_event();
  std::string model(200, 'm'), reason(200, 'r');
  e.text(EventText::kModelAsked) = model;
  e.text(EventText::kReason) = reason;
  std::vector<std::byte> bytes = encoded(e);
  EXPECT_EQ(bytes.size(), kEventBytesMax);
  auto back = decode(bytes);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->texts_cut);
  EXPECT_EQ(back->text(EventText::kRequestId), e.text(EventText::kRequestId));
  EXPECT_EQ(back->text(EventText::kModelAsked), model);
  EXPECT_EQ(back->text(EventText::kOutcome), "upstream");
  EXPECT_TRUE(reason.starts_with(back->text(EventText::kReason)));
  EXPECT_LT(back->text(EventText::kReason).size(), reason.size());
  EXPECT_EQ(back->text(EventText::kPeer), "");
}

TEST(Event, ALetterIsNotCutInTwo) {
  for (size_t shift = 0; shift < 4; ++shift) {
    Event e;
    std::string text(shift, 'x');
    while (text.size() < 400)
      text += "\xf0\x9f\x8c\x8a";  // U+1F30A
    e.text(EventText::kModelAsked) = text;
    auto bytes = encoded(e);
    auto back = decode(bytes);
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->texts_cut);
    std::string_view kept = back->text(EventText::kModelAsked);
    EXPECT_EQ((kept.size() - shift) % 4, 0u);
    EXPECT_GT(kept.size(), 250u);
  }
}

TEST(Event, WhatALaterVersionAddsIsPassedOver) {
  Event e = full_event();
  std::vector<std::byte> bytes = encoded(e);
  bytes.resize(bytes.size() + 9, std::byte{0x5a});
  auto back = decode(bytes);
  ASSERT_TRUE(back);
  expect_same(*back, e);
}

// As an earlier version wrote it: a shorter fixed part, and 11 texts, which come first.
std::vector<std::byte> of_earlier(Event e, size_t fixed_bytes) {
  for (size_t i = 11; i < kEventTexts; ++i)
    e.texts[i] = {};
  std::vector<std::byte> bytes = encoded(e);
  bytes.erase(bytes.begin() + 160 + 11, bytes.begin() + 160 + kEventTexts);
  bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(fixed_bytes), bytes.begin() + 160);
  bytes[4] = static_cast<std::byte>(fixed_bytes);
  bytes[6] = std::byte{11};
  bytes[2] &= std::byte{3};
  return bytes;
}

// Rings and stores outlive the version that wrote them.
TEST(Event, EarlierVersionsAreRead) {
  for (size_t fixed_bytes : {112u, 120u}) {
    Event e = full_event();
    auto bytes = of_earlier(e, fixed_bytes);  // the texts look into it
    auto back = decode(bytes);
    ASSERT_TRUE(back) << fixed_bytes;
    if (fixed_bytes == 112) e.cost_nanodollars = -1;
    e.input_nanodollars = e.cache_read_nanodollars = e.cache_write_nanodollars = 0;
    e.cache_write_tokens = e.cache_write_1h_tokens = -1;
    e.price_version = 0;
    e.usage_estimated = false;
    for (size_t i = 11; i < kEventTexts; ++i)
      e.texts[i] = {};
    expect_same(*back, e);
  }
}

// The third version had all of the fixed part, and 18 texts.
TEST(Event, TheVersionBeforeTheLastTextIsRead) {
  Event e = full_event();
  e.text(EventText::kBegunBy) = {};
  std::vector<std::byte> bytes = encoded(e);
  bytes.erase(bytes.begin() + 160 + 18);
  bytes[6] = std::byte{18};
  auto back = decode(bytes);
  ASSERT_TRUE(back);
  expect_same(*back, e);
}

// Whom it is charged to is what the ledger and budgets after a restart stand on.
TEST(Event, WhomItIsChargedToHasRoomFirst) {
  Event e = full_event();
  std::string longest(200, 'm');
  for (EventText text :
       {EventText::kModelAsked, EventText::kModel, EventText::kProviderModel, EventText::kReason})
    e.text(text) = longest;
  auto bytes = encoded(e);
  auto back = decode(bytes);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->texts_cut);
  for (EventText text :
       {EventText::kTenant, EventText::kTeam, EventText::kUser, EventText::kKey, EventText::kPrincipal})
    EXPECT_EQ(back->text(text), e.text(text));
}

TEST(Event, RefusesWhatIsNone) {
  std::vector<std::byte> bytes = encoded(full_event());
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode(std::span(bytes).first(n))) << n;  // every text matters: none may be short
  std::vector<std::byte> zeros(200);
  EXPECT_FALSE(decode(zeros));
  auto broken = [&](size_t at, int value) {
    std::vector<std::byte> copy = bytes;
    copy[at] = static_cast<std::byte>(value);
    return decode(copy).has_value();
  };
  EXPECT_FALSE(broken(0, 0));      // mark
  EXPECT_FALSE(broken(1, 2));      // class
  EXPECT_FALSE(broken(4, 111));    // fixed part too short
  EXPECT_FALSE(broken(5, 0xff));   // or longer than everything
  EXPECT_FALSE(broken(6, 10));     // too few texts
  EXPECT_FALSE(broken(160, 255));  // a text longer than what is left
}

// Bytes of chance never make it read outside (the address sanitizer watches).
TEST(Event, AnyBytesAreDecodedOrRefused) {
  std::vector<std::byte> good = encoded(full_event());
  uint32_t x = 1;
  auto random = [&] { return (x = x * 1664525 + 1013904223) >> 8; };
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes = good;
    for (uint32_t i = 0, n = 1 + random() % 4; i < n; ++i)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    bytes.resize(random() % (bytes.size() + 1));
    bytes.shrink_to_fit();
    auto e = decode(bytes);
    if (!e) continue;
    size_t total = 0;
    for (std::string_view text : e->texts)
      total += text.size();
    EXPECT_LT(total, bytes.size());
  }
}

}  // namespace
}  // namespace weir::telemetry
