// Any bytes as any coding, whole and in pieces: it ends, within its bounds, and what both ways accept is the
// same body. (A refusal for the ratio may depend on the pieces: libzstd takes more input than it needs.)
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/assert.h"
#include "weir/http/content_decoder.h"

namespace {

using weir::http::ContentCoding;
using weir::http::ContentDecoder;

constexpr size_t kMax = 200'000;

struct Run {
  bool accepted = false;
  std::string body;
};

Run run(ContentCoding coding, std::string_view bytes, size_t step) {
  ContentDecoder decoder(coding, kMax);
  weir::json::PaddedBuffer out;
  size_t taken = 0;
  while (taken < bytes.size()) {
    std::string_view piece = bytes.substr(taken, step);
    taken += piece.size();
    bool ok = decoder.decode(piece, out).has_value();
    WEIR_ASSERT(out.size() <= kMax);
    WEIR_ASSERT(out.size() <= ContentDecoder::kRatioFreeBytes + ContentDecoder::kRatioMax * taken);
    if (!ok) return {};
  }
  return {decoder.finish().has_value(), std::string(out.view())};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  auto coding = static_cast<ContentCoding>(data[0] & 3);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Run whole = run(coding, bytes, bytes.size());
  Run pieces = run(coding, bytes, size_t{1} + data[1]);
  if (whole.accepted && pieces.accepted) WEIR_ASSERT(whole.body == pieces.body);
  return 0;
}
