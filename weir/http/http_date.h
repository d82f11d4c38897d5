// The Date header of RFC 9110 section 5.6.7 from Unix time, without the C library's calendar.
#pragma once

#include <cstdint>
#include <string>

namespace weir::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT". Requires: unix_s >= 0.
std::string http_date(int64_t unix_s);

}  // namespace weir::http
