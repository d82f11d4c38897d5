#include "weir/http/http_date.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::http {
namespace {

TEST(HttpDate, IsTheOneOfTheStandard) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
}

TEST(HttpDate, ComesBack) {
  for (int64_t s :
       {int64_t{0}, int64_t{951782400}, int64_t{1709164799}, int64_t{1795316400}, int64_t{4102444800}})
    EXPECT_EQ(parse_http_date(http_date(s)), s);
}

TEST(HttpDate, RefusesWhatIsNone) {
  const std::string good = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (size_t i = 3; i < good.size(); ++i) {  // the day of the week says nothing
    std::string bad = good;
    bad[i] = '~';
    EXPECT_FALSE(parse_http_date(bad)) << bad;
    EXPECT_FALSE(parse_http_date(good.substr(0, i)));
  }
  for (std::string_view bad : {"", "120", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                               "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                               "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 gmt"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
}

}  // namespace
}  // namespace weir::http
