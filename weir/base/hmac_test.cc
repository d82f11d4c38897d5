// Against the published test vectors.
#include "weir/base/hmac.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

// RFC 4231, test cases 1 to 3, 6 and 7.
TEST(Hmac, KnownAnswers) {
  std::string twenty(20, '\x0b'), aa(131, '\xaa');
  EXPECT_EQ(to_hex(HmacSha256(twenty)("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(HmacSha256("Jefe")("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(HmacSha256(std::string(20, '\xaa'))(std::string(50, '\xdd'))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  HmacSha256 longer(aa);
  for (int twice = 0; twice < 2; ++twice)
    EXPECT_EQ(to_hex(longer("Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  HmacSha256 copy = longer;
  EXPECT_EQ(
      to_hex(copy("This is a test using a larger than block-size key and a larger than block-size data. "
                  "The key needs to be hashed before being used by the HMAC algorithm.")),
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

}  // namespace
}  // namespace weir
