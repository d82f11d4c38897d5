#include "weir/io/address.h"

#include <gtest/gtest.h>

namespace weir::io {
namespace {

TEST(AddressTest, ReadsEachFormAndWritesItBack) {
  for (std::string text : {"127.0.0.1:8080", "localhost:0", "api.example.com:443", "[::1]:65535", "[::]:80",
                           "unix:/run/weir.sock"}) {
    auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
    EXPECT_EQ(Address::parse(address->to_string()).value(), *address);
  }
  auto v6 = Address::parse("[fe80::1]:80");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "fe80::1");
  EXPECT_EQ(v6->port, 80);
  EXPECT_EQ(Address::parse("unix:/a:b")->host, "/a:b");
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  for (std::string text : {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:80x", "host: 80",
                           "::1:80", "[::1:80", "[]:80", "unix:"}) {
    auto address = Address::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kConfig);
  }
  EXPECT_FALSE(Address::parse("unix:/" + std::string(100, 'a')));
}

TEST(AddressTest, KnowsWhatOnlyThisMachineReaches) {
  for (auto text : {"127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1", "unix:/x"})
    EXPECT_TRUE(Address::parse(text)->loopback()) << text;
  for (auto text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1"})
    EXPECT_FALSE(Address::parse(text)->loopback()) << text;
}

}  // namespace
}  // namespace weir::io
