// Memory of coroutine frames, kept for reuse: a request makes and drops about twenty frames of a few hundred
// bytes to a few kilobytes, and the general allocator's price for the larger ones was a tenth of a request's
// instructions. Per thread, so without locks; bounded: at most kKeptMax frames of a size class stay. Frames
// larger than kClassBytes * kClasses go to the general allocator, and so does everything under
// AddressSanitizer, which must see each use after free.
#pragma once

#include <array>
#include <cstddef>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_FRAME_POOL 0
#endif
#endif
#ifndef WEIR_FRAME_POOL
#define WEIR_FRAME_POOL 1
#endif

namespace weir::io {

class FramePool {
 public:
  static void* allocate(size_t bytes) {
    Classes& here = classes();
    ++here.live;
#if WEIR_FRAME_POOL
    if (size_t c = class_of(bytes); c < kClasses) {
      Class& kept = here[c];
      if (kept.first) {
        Free* frame = kept.first;
        kept.first = frame->next;
        --kept.count;
        return frame;
      }
      return ::operator new((c + 1) * kClassBytes);
    }
#endif
    return ::operator new(bytes);
  }

  static void release(void* frame, [[maybe_unused]] size_t bytes) {
    Classes& here = classes();
    --here.live;
#if WEIR_FRAME_POOL
    if (size_t c = class_of(bytes); c < kClasses) {
      Class& kept = here[c];
      if (kept.count < kKeptMax) {
        kept.first = new (frame) Free{kept.first};
        ++kept.count;
        return;
      }
    }
#endif
    ::operator delete(frame);
  }

  /// Frames of this thread that exist.
  static size_t live() { return classes().live; }

 private:
  static constexpr size_t kClassBytes = 128;
  static constexpr size_t kClasses = 64;  // up to 8 KiB
  static constexpr size_t kKeptMax = 128;

  struct Free {
    Free* next;
  };
  struct Class {
    Free* first = nullptr;
    size_t count = 0;
  };
  struct Classes : std::array<Class, kClasses> {
    size_t live = 0;
    ~Classes() {
      for (Class& c : *this)
        while (c.first) {
          Free* next = c.first->next;
          ::operator delete(static_cast<void*>(c.first));
          c.first = next;
        }
    }
  };
  static size_t class_of(size_t bytes) { return (bytes - 1) / kClassBytes; }
  static Classes& classes() {
    static thread_local Classes kept;
    return kept;
  }
};

}  // namespace weir::io
