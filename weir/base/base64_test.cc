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

}  // namespace
}  // namespace weir
