// What keys look like, and what does not pass for one.
#include "weir/accounts/key.h"

#include <gtest/gtest.h>

#include <set>

#include "weir/accounts/pepper.h"
#include "weir/io/net/test_loop.h"

namespace weir::accounts {
namespace {

TEST(Key, IsReadBackAndNeverTwice) {
  io::net::TestLoop host;
  std::set<std::string> ids, texts;
  for (int n = 0; n < 200; ++n) {
    NewKey key = make_key(host.loop().random(), n % 2 ? "live" : "t1");
    std::string text(key.text.reveal());
    EXPECT_TRUE(text.starts_with(n % 2 ? "wr_live_" : "wr_t1_")) << text;
    EXPECT_EQ(text.size(), (n % 2 ? 8u : 6u) + 46u);
    KeyText read = read_key(text);
    EXPECT_EQ(read.shape, KeyShape::kKey);
    EXPECT_EQ(read.id, key.id);
    EXPECT_TRUE(text.ends_with(key.last4));
    ids.insert(key.id);
    texts.insert(text);
  }
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(texts.size(), 200u);
  NewKey again = make_key(host.loop().random(), "live", "AAAAbbbb");
  EXPECT_EQ(read_key(again.text.reveal()).id, "AAAAbbbb");
}

// The format is a promise: scanners look for it. The checksum was worked out elsewhere (CRC-32C 0x14924750 in
// base 62).
TEST(Key, HasAChecksumThatOthersCanWorkOut) {
  std::string zeros = "wr_live_" + std::string(40, '0');
  EXPECT_EQ(read_key(zeros + "0NM8IK").shape, KeyShape::kKey);
  EXPECT_EQ(read_key(zeros + "0NM8IK").id, "00000000");
  EXPECT_EQ(read_key(zeros + "000000").shape, KeyShape::kDamaged);
}

TEST(Key, EveryChangedCharacterShows) {
  io::net::TestLoop host;
  std::string text(make_key(host.loop().random()).text.reveal());
  for (size_t at = 8; at < text.size(); ++at)
    for (char c : {'0', 'z', 'A'}) {
      if (text[at] == c) continue;
      std::string other = text;
      other[at] = c;
      EXPECT_EQ(read_key(other).shape, KeyShape::kDamaged) << at;
    }
}

TEST(Key, TheRestIsNone) {
  std::string tail(46, 'a');
  for (std::string text :
       {std::string(), std::string("wr_"), "wr_live_" + std::string(45, 'a'), "wr__" + tail, "wr_" + tail,
        "wr_Live_" + tail, "wr_li-ve_" + tail, "sk_live_" + tail, "wr_12345678901234567_" + tail,
        "wr_live-" + tail, "wr_live_" + std::string(45, 'a') + "!", std::string("wr_live_\0", 9) + tail,
        "wr_local_0123456789012345678901234567890a" + std::string()})
    EXPECT_EQ(read_key(text).shape, KeyShape::kOther) << text;
}

TEST(Peppers, AreMadeOnceAndKept) {
  io::net::TestLoop host;
  io::Disk& disk = host.loop().disk();
  std::string directory = disk.make_temporary_directory("weir-pepper-test").value();
  std::string path = directory + "/pepper";
  auto open = [&](std::string_view configured) {
    return open_peppers(Secret(configured), path, disk, host.loop().random()).value();
  };
  Peppers first = open("");
  EXPECT_EQ(disk.stat(path)->bytes, 65u);
  Peppers second = open("");
  EXPECT_EQ(second.current(), first.current());
  EXPECT_EQ(second.digest("key"), first.digest("key"));
  // One of the configuration is used from now on; the kept one still verifies.
  Peppers third = open("a pepper of the configuration");
  EXPECT_NE(third.current(), first.current());
  ASSERT_NE(third.find(first.current()), nullptr);
  EXPECT_EQ((*third.find(first.current()))("key"), first.digest("key"));
  EXPECT_EQ(first.find(third.current()), nullptr);
  disk.remove(directory);
}

}  // namespace
}  // namespace weir::accounts
