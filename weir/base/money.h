// Money: integer nano-dollars, and how they are written. Prices are nano-dollars for a million tokens, so
// that the cheapest token of today's price lists (a hundredth of a dollar for a million) is far from the
// unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// "0.000325000": dollars with nine digits.
std::string dollars_text(int64_t nanodollars);

/// Dollars as people write them, "2.5", to nano-dollars; at most nine digits behind the point. nullopt: no
/// such number, or more than a million dollars.
std::optional<int64_t> nanodollars_of(std::string_view text);

}  // namespace weir
