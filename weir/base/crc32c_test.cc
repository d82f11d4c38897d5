#include "weir/base/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace weir {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Bit by bit, from the polynomial: what the instruction is compared with.
uint32_t by_definition(std::string_view text) {
  uint32_t crc = ~0u;
  for (char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, HasTheValuesOfRfc3720) {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(crc32c(bytes_of(ascending)), 0x46dd794eu);
  EXPECT_EQ(crc32c(bytes_of(descending)), 0x113fdb5cu);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, FollowsTheDefinitionAtEveryLengthAndOffsetAndInPieces) {
  std::string text;
  for (uint32_t i = 0, x = 1; i < 80; ++i, x = x * 1664525 + 1013904223)
    text += static_cast<char>(x >> 24);
  for (size_t from = 0; from < 9; ++from) {
    for (size_t length = 0; from + length <= text.size(); ++length) {
      std::string_view part = std::string_view(text).substr(from, length);
      uint32_t whole = by_definition(part);
      ASSERT_EQ(crc32c(bytes_of(part)), whole) << from << " " << length;
      size_t cut = length / 3;
      ASSERT_EQ(crc32c(bytes_of(part.substr(cut)), crc32c(bytes_of(part.substr(0, cut)))), whole);
    }
  }
}

// The pieces by the plain function: what is side by side there is one after the other here.
uint32_t four_by_definition(std::string_view text, uint64_t seed) {
  std::string part[4];
  size_t at = 0;
  for (; text.size() - at >= 32; at += 32)
    for (size_t i = 0; i < 4; ++i)
      part[i] += text.substr(at + 8 * i, 8);
  for (; text.size() - at >= 8; at += 8)
    part[0] += text.substr(at, 8);
  std::string rest(text.substr(at));
  rest.resize(8);
  part[1] += rest;
  std::string all(reinterpret_cast<const char*>(&seed), sizeof seed);
  for (const std::string& p : part) {
    uint32_t crc = ~by_definition(p);
    all.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  }
  return by_definition(all);
}

TEST(CheckByFour, FollowsItsDefinitionAtEveryLengthAndOffset) {
  std::string text;
  for (uint32_t i = 0, x = 1; i < 120; ++i, x = x * 1664525 + 1013904223)
    text += static_cast<char>(x >> 24);
  for (size_t from = 0; from < 9; ++from)
    for (size_t length = 0; from + length <= text.size(); ++length) {
      std::string_view part = std::string_view(text).substr(from, length);
      ASSERT_EQ(check_by_four(bytes_of(part), 77 + from), four_by_definition(part, 77 + from)) << length;
    }
}

TEST(CheckByFour, EveryFlippedBitAndEveryTornEndShows) {
  std::string text(131, 'w');
  uint32_t good = check_by_four(bytes_of(text), 5);
  EXPECT_NE(check_by_four(bytes_of(text), 4), good);
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string bad = text;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(check_by_four(bytes_of(bad), 5), good) << bit;
  }
  for (size_t cut = 0; cut < text.size(); ++cut) {
    std::string torn = text;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(cut), torn.end(), '\0');
    EXPECT_NE(check_by_four(bytes_of(torn), 5), good) << cut;
  }
}

TEST(Crc32c, EveryFlippedBitShows) {
  std::string text(40, 'w');
  uint32_t good = crc32c(bytes_of(text));
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string bad = text;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(crc32c(bytes_of(bad)), good) << bit;
  }
}

}  // namespace
}  // namespace weir
