#include "weir/base/hash.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

// The examples of FIPS 180-4 and the empty message.
TEST(Hash, KnownDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, HexRoundTripAndRefusals) {
  Sha256 digest = sha256("weir");
  std::string hex = to_hex(digest);
  EXPECT_EQ(sha256_from_hex(hex), digest);
  std::string upper = hex;
  for (char& c : upper)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  EXPECT_EQ(sha256_from_hex(upper), digest);
  EXPECT_EQ(sha256_from_hex(""), std::nullopt);
  EXPECT_EQ(sha256_from_hex(hex.substr(1)), std::nullopt);
  EXPECT_EQ(sha256_from_hex(hex + "0"), std::nullopt);
  for (char bad : {'g', ' ', '\0', ':', '/', '@', '`'}) {
    std::string text = hex;
    text[63] = bad;
    EXPECT_EQ(sha256_from_hex(text), std::nullopt) << static_cast<int>(bad);
  }
}

TEST(Hash, ConstantTimeEqual) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal(std::string_view(), std::string_view("", 0)));
  EXPECT_TRUE(constant_time_equal("key", "key"));
  EXPECT_FALSE(constant_time_equal("key", "kez"));
  EXPECT_FALSE(constant_time_equal("key", "Key"));
  EXPECT_FALSE(constant_time_equal("key", "ke"));
  EXPECT_TRUE(constant_time_equal(sha256("a"), sha256("a")));
  EXPECT_FALSE(constant_time_equal(sha256("a"), sha256("b")));
}

}  // namespace
}  // namespace weir
