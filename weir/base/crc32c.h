// CRC-32C (Castagnoli, RFC 3720 appendix B.4) by the processor's own instruction (SSE4.2, part of x86-64-v2,
// the build's baseline): what tells a whole record from a torn one. Not a defence against anybody. Values;
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir {

/// The checksum of `bytes`; of pieces, when `before` is the checksum of what came first.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

/// A check of its own: the CRC-32C of `seed` and of four CRC-32C side by side, each over every fourth eight
/// bytes. Tells torn from whole as well, at a third of the time: the instruction answers after three cycles
/// and can begin each cycle. The same bytes with another length have the same check where they end in zeros:
/// put the length into the seed.
uint32_t check_by_four(std::span<const std::byte> bytes, uint64_t seed);

}  // namespace weir
