#include "weir/base/base64.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Base64, ReadsWhatItWrites) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes) << i;
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_EQ(base64_encode("weir"), "d2Vpcg==");
  EXPECT_EQ(base64_encode(""), "");
}

TEST(Base64, RefusesWhatIsNot) {
  for (std::string_view text : {"d2Vpcg", "d2Vpcg=", "d2Vp cg=", "d2V=cg==", "d2Vp\ncg=", "====", "d2-_"})
    EXPECT_FALSE(base64_decode(text)) << text;
}

TEST(Base64Url, OneTextForTheSameBytes) {
  for (size_t n = 0; n < 70; ++n) {
    std::string bytes;
    for (size_t i = 0; i < n; ++i)
      bytes += static_cast<char>(i * 37 + n * 101);
    std::string text = base64url_encode(bytes);
    EXPECT_EQ(base64url_decode(text), bytes);
    EXPECT_FALSE(text.contains('=') || text.contains('+') || text.contains('/'));
  }
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64url_decode("Zm9v"), "foo");
  for (std::string_view text :
       {"Zm9v=", "Zg==", "Z", "Zm9vZ", "Zm9 v", "Zm9v\n", "+_8", "-/8", "Zh", "Zm8=", "?m9v", "Zm\xc3\xb6v"})
    EXPECT_EQ(base64url_decode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace weir
