// The dates of RFC 9110 section 5.6.7 (Date, Retry-After) to and from Unix time, without the C library's
// calendar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT". Requires: unix_s >= 0.
std::string http_date(int64_t unix_s);
/// nullopt: it is not written so. The two obsolete forms are not read.
std::optional<int64_t> parse_http_date(std::string_view text);

}  // namespace weir::http
