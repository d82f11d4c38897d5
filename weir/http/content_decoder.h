// ContentDecoder: takes a content coding (gzip, deflate, br, zstd) off a body while it arrives. A few bytes
// of a coding can promise any number of them, so what comes out is bounded twice: by a size, and beyond the
// first 64 KiB by 100 times what went in. A bomb is therefore refused after as many bytes as an honest body
// would have brought, whatever it promises; memory is that of the decoded body so far and of the coding's own
// window (gzip, deflate 32 KiB; zstd at most 8 MiB, RFC 9659; br at most 16 MiB). Pure; one body, one object.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "weir/base/json.h"
#include "weir/base/result.h"

namespace weir::http {

enum class ContentCoding : uint8_t { kGzip, kDeflate, kBrotli, kZstd };

/// What a refused caller may send instead: the value of Accept-Encoding.
inline constexpr std::string_view kContentCodings = "gzip, deflate, br, zstd";

/// The one coding a Content-Encoding names; nullopt: none that is known, or several.
std::optional<ContentCoding> content_coding(std::string_view header_value);

class ContentDecoder {
 public:
  static constexpr size_t kRatioMax = 100;
  static constexpr size_t kRatioFreeBytes = 64 * 1024;

  ContentDecoder(ContentCoding coding, size_t bytes_max);
  ~ContentDecoder();
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;

  /// Appends what `bytes`, the next of the body, decode to. Errors are final: kPayloadTooLarge beyond either
  /// bound, kInvalidRequest (reason "invalid_content_encoding") for bytes that are none of this coding.
  Result<void> decode(std::string_view bytes, json::PaddedBuffer& out);
  /// The body is over. Errors: kInvalidRequest when the coding is not.
  Result<void> finish() const;

  class Coder;  // one library's decoder

 private:
  Unexpected corrupt(std::string_view what) const;
  Unexpected too_large(std::string_view what) const;

  const ContentCoding coding_;
  const size_t bytes_max_;
  std::unique_ptr<Coder> coder_;  // made with the first byte: a window costs memory
  uint64_t taken_ = 0;
  uint64_t given_ = 0;
  bool ended_ = false;  // at the end of the coding: right if nothing follows
};

}  // namespace weir::http
