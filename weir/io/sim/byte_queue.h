// ByteQueue: bytes in, bytes out, in order: a ring that grows by doubling and never shrinks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace weir::io::sim {

class ByteQueue {
 public:
  size_t size() const { return size_; }

  void append(std::string_view bytes) {
    if (size_ + bytes.size() > capacity_) grow(size_ + bytes.size());
    size_t at = (first_ + size_) & (capacity_ - 1);
    size_t straight = std::min(bytes.size(), capacity_ - at);
    std::copy_n(bytes.data(), straight, ring_.get() + at);
    std::copy_n(bytes.data() + straight, bytes.size() - straight, ring_.get());
    size_ += bytes.size();
  }

  /// Requires: into.size() <= size().
  void take(std::span<char> into) {
    size_t straight = std::min(into.size(), capacity_ - first_);
    std::copy_n(ring_.get() + first_, straight, into.data());
    std::copy_n(ring_.get(), into.size() - straight, into.data() + straight);
    first_ = (first_ + into.size()) & (capacity_ - 1);
    size_ -= into.size();
  }

  /// Forgets all but the first `n` bytes.
  void keep(size_t n) { size_ = std::min(size_, n); }

 private:
  void grow(size_t need) {
    size_t capacity = std::max<size_t>(capacity_, 256);
    while (capacity < need)
      capacity *= 2;
    auto ring = std::make_unique_for_overwrite<char[]>(capacity);
    size_t held = size_;
    if (held > 0) take({ring.get(), held});
    ring_ = std::move(ring);
    capacity_ = capacity;
    first_ = 0;
    size_ = held;
  }

  std::unique_ptr<char[]> ring_;
  size_t capacity_ = 0;  // 0 or a power of two
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace weir::io::sim
