// For fuzz targets: an input in pieces, each alone in memory. A parser must not care how its bytes are cut,
// must not look beyond a piece, and must not look at an earlier one once it has moved; 10^8 executions must
// not spend their time in malloc to show it.
#pragma once

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <span>
#include <string_view>

#include "weir/base/assert.h"

namespace weir::fuzz {

/// Stays in every build; the fuzzer sees the abort.
inline void check(bool ok, std::source_location where = std::source_location::current()) {
  if (ok) [[likely]]
    return;
  std::fprintf(stderr, "%s:%u: does not hold\n", where.file_name(), where.line());
  std::abort();
}

/// One block of memory for one piece at a time: exactly its bytes are addressable, all around is poison, and
/// what an earlier piece left is overwritten. As a malloc for each piece, at a hundredth of its price.
class Cage {
 public:
  static constexpr size_t kBytesMax = size_t{1} << 20;  // libFuzzer's largest input

  Cage() : memory_(static_cast<char*>(std::aligned_alloc(16, kBytesMax + 32))) {
    ASAN_POISON_MEMORY_REGION(memory_, kBytesMax + 32);
  }
  Cage(const Cage&) = delete;
  Cage& operator=(const Cage&) = delete;
  ~Cage() {
    ASAN_UNPOISON_MEMORY_REGION(memory_, kBytesMax + 32);
    std::free(memory_);
  }

  /// The piece, until the next call.
  std::span<char> put(std::string_view piece) {
    WEIR_ASSERT(piece.size() <= kBytesMax);
    clear();
    used_ = piece.size();
    ASAN_UNPOISON_MEMORY_REGION(memory_ + 16, used_);
    std::memcpy(memory_ + 16, piece.data(), used_);
    return {memory_ + 16, used_};
  }
  void clear() {
    std::memset(memory_ + 16, 0xA5, used_);
    ASAN_POISON_MEMORY_REGION(memory_ + 16, used_);
    used_ = 0;
  }

 private:
  char* memory_;
  size_t used_ = 0;
};

/// Lengths of the pieces of an input: all at once, byte by byte, or drawn from the input's own hash, so that
/// an input alone says how it is cut.
class Cuts {
 public:
  enum class Kind : uint8_t { kWhole, kBytes, kDrawn };

  Cuts(Kind kind, std::string_view input) : kind_(kind), state_(hash(input)) {}

  /// Of the next piece. Requires: left > 0.
  size_t next(size_t left) {
    if (kind_ == Kind::kWhole) return left;
    if (kind_ == Kind::kBytes) return 1;
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    uint64_t draw = state_ >> 40;
    // Mostly a few bytes, sometimes many.
    return std::min<size_t>(left, 1 + (draw & 7 ? draw >> 3 & 31 : draw >> 3 & 1023));
  }

  static uint64_t hash(std::string_view input) {
    uint64_t h = 0xcbf29ce484222325;  // FNV-1a
    for (unsigned char c : input)
      h = (h ^ c) * 0x100000001b3;
    return h;
  }

 private:
  Kind kind_;
  uint64_t state_;
};

/// Whether to feed this input byte by byte too: a call a byte is most of an execution's price and seldom
/// shows what random pieces do not, so the shortest always, one longer in eight, and the longest never.
inline bool worth_byte_by_byte(std::string_view input) {
  return input.size() <= 24 || (input.size() <= 512 && (Cuts::hash(input) >> 32) % 8 == 0);
}

}  // namespace weir::fuzz
