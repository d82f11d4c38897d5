// Base64 (RFC 4648, section 4, with padding) and base64url (section 5, without).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

std::string base64_encode(std::string_view bytes);

/// nullopt: not base64 (white space and missing padding are not accepted).
std::optional<std::string> base64_decode(std::string_view text);

std::string base64url_encode(std::string_view bytes);

/// nullopt: not base64url as RFC 7515 has it: one text for the same bytes. No padding, no white space, no
/// other alphabet, and the bits that are left over are zero.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace weir
