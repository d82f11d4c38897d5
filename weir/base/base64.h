// Base64 (RFC 4648, section 4, with padding).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

std::string base64_encode(std::string_view bytes);

/// nullopt: not base64 (white space and missing padding are not accepted).
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace weir
