// SHA-256 and the comparisons that go with it: what keys are stored and looked up as. Values, no state.
// Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

using Sha256 = std::array<uint8_t, 32>;

/// The SHA-256 digest of `bytes`.
Sha256 sha256(std::string_view bytes);

/// 64 lower-case hex digits.
std::string to_hex(const Sha256& digest);
std::string sha256_hex(std::string_view bytes);

/// Reads 64 hex digits in either case; nullopt for anything else.
std::optional<Sha256> sha256_from_hex(std::string_view hex);

/// Equality whose time depends on the lengths only, never on where two texts differ.
bool constant_time_equal(std::string_view a, std::string_view b);
bool constant_time_equal(const Sha256& a, const Sha256& b);

}  // namespace weir
