#include "weir/base/certificate.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 3650
constexpr std::string_view kPem = R"(-----BEGIN CERTIFICATE-----
MIIBbjCCAROgAwIBAgIUL+FLt+E5uhr+so7stjuG8e40BvkwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjIwMzI3MzFaFw0zNjExMTkwMzI3MzFaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATK66fqli6BMoe2
AxsPFcO/FKYO6chVyghC5iyn0AM8qkaor8tf0UJu4wPAl/nrAMFyHHXN1RK1myMO
6wSyczeSo1MwUTAdBgNVHQ4EFgQUAMAr+S0FriGYIwp1S7ZbzCJVdR4wHwYDVR0j
BBgwFoAUAMAr+S0FriGYIwp1S7ZbzCJVdR4wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNJADBGAiEAx8VUzECB8yrb7lSQ+7rIV9Jb1eoh4G00Xr5n3XlZQLkC
IQC5PyH91/q+E/7Uuty9emG7jaBLRqvwd/gSP9U5JT/atQ==
-----END CERTIFICATE-----
)";

TEST(Certificate, SaysWhenItEnds) {
  auto ends = certificate_ends(kPem);
  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->unix_s(), 2110678051);  // Nov 19 03:27:31 2036 GMT
}

TEST(Certificate, WhatIsNoneHasNoEnd) {
  EXPECT_FALSE(certificate_ends(""));
  EXPECT_FALSE(certificate_ends("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_FALSE(certificate_ends(kPem.substr(0, kPem.size() / 2)));
}

}  // namespace
}  // namespace weir
