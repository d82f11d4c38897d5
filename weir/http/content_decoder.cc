#include "weir/http/content_decoder.h"

#include <brotli/decode.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <span>

#include "weir/base/assert.h"
#include "weir/base/header.h"

namespace weir::http {

class ContentDecoder::Coder {
 public:
  enum class State : uint8_t { kMore, kEnd, kCorrupt };
  struct Step {
    State state;
    size_t produced = 0;  // bytes now at the front of `out`
  };
  virtual ~Coder() = default;
  /// Takes from the front of `in` and fills `out`. After kEnd, more bytes begin another member, where the
  /// coding has such, or are corrupt.
  virtual Step step(std::string_view& in, std::span<char> out) = 0;
};

namespace {

using Coder = ContentDecoder::Coder;

constexpr size_t kBlockBytes = 16 * 1024;  // decoded at a time
constexpr int kZstdWindowLogMax = 23;      // 8 MiB: what RFC 9659 allows a sender to ask for

struct Name {
  std::string_view name;
  ContentCoding coding;
};
constexpr Name kNames[] = {{"gzip", ContentCoding::kGzip},
                           {"x-gzip", ContentCoding::kGzip},  // RFC 9110, 8.4.1.3: the same
                           {"deflate", ContentCoding::kDeflate},
                           {"br", ContentCoding::kBrotli},
                           {"zstd", ContentCoding::kZstd}};

std::string_view name_of(ContentCoding coding) {
  for (const Name& n : kNames)
    if (n.coding == coding) return n.name;
  return {};
}

// gzip (members may follow each other) and deflate, which is zlib's format (RFC 9110, 8.4.1.2).
class Zlib final : public Coder {
 public:
  explicit Zlib(bool gzip) : gzip_(gzip) {
    int made = inflateInit2(&stream_, gzip ? MAX_WBITS + 16 : MAX_WBITS);
    WEIR_ASSERT(made == Z_OK);
  }
  ~Zlib() override { inflateEnd(&stream_); }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

  Step step(std::string_view& in, std::span<char> out) override {
    if (ended_) {
      if (!gzip_) return {State::kCorrupt};
      inflateReset(&stream_);
      ended_ = false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    int status = inflate(&stream_, Z_NO_FLUSH);
    in.remove_prefix(in.size() - stream_.avail_in);
    size_t produced = out.size() - stream_.avail_out;
    ended_ = status == Z_STREAM_END;
    if (ended_) return {State::kEnd, produced};
    if (status == Z_OK || status == Z_BUF_ERROR) return {State::kMore, produced};
    return {State::kCorrupt, produced};
  }

 private:
  const bool gzip_;
  bool ended_ = false;
  z_stream stream_{};
};

// Frames may follow each other; libzstd begins the next one by itself.
class Zstd final : public Coder {
 public:
  Zstd() : context_(ZSTD_createDCtx()) {
    WEIR_ASSERT(context_);
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }
  ~Zstd() override { ZSTD_freeDCtx(context_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  Step step(std::string_view& in, std::span<char> out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    size_t status = ZSTD_decompressStream(context_, &to, &from);
    in.remove_prefix(from.pos);
    if (ZSTD_isError(status)) return {State::kCorrupt, to.pos};
    return {status == 0 ? State::kEnd : State::kMore, to.pos};
  }

 private:
  ZSTD_DCtx* context_;
};

class Brotli final : public Coder {
 public:
  Brotli() : state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) { WEIR_ASSERT(state_); }
  ~Brotli() override { BrotliDecoderDestroyInstance(state_); }
  Brotli(const Brotli&) = delete;
  Brotli& operator=(const Brotli&) = delete;

  Step step(std::string_view& in, std::span<char> out) override {
    if (ended_) return {State::kCorrupt};
    auto* from = reinterpret_cast<const uint8_t*>(in.data());
    auto* to = reinterpret_cast<uint8_t*>(out.data());
    size_t left = in.size(), room = out.size();
    BrotliDecoderResult result = BrotliDecoderDecompressStream(state_, &left, &from, &room, &to, nullptr);
    in.remove_prefix(in.size() - left);
    size_t produced = out.size() - room;
    ended_ = result == BROTLI_DECODER_RESULT_SUCCESS;
    if (ended_) return {State::kEnd, produced};
    return {result == BROTLI_DECODER_RESULT_ERROR ? State::kCorrupt : State::kMore, produced};
  }

 private:
  BrotliDecoderState* state_;
  bool ended_ = false;
};

std::unique_ptr<Coder> make_coder(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return std::make_unique<Zlib>(true);
    case ContentCoding::kDeflate:
      return std::make_unique<Zlib>(false);
    case ContentCoding::kBrotli:
      return std::make_unique<Brotli>();
    case ContentCoding::kZstd:
      return std::make_unique<Zstd>();
  }
  return nullptr;
}

}  // namespace

std::optional<ContentCoding> content_coding(std::string_view header_value) {
  for (const Name& n : kNames)
    if (iequals(header_value, n.name)) return n.coding;
  return std::nullopt;
}

ContentDecoder::ContentDecoder(ContentCoding coding, size_t bytes_max)
    : coding_(coding), bytes_max_(bytes_max) {}
ContentDecoder::~ContentDecoder() = default;

Unexpected ContentDecoder::corrupt(std::string_view what) const {
  return fail(ErrorCode::kInvalidRequest, fmt::format("the request body {} {}", what, name_of(coding_)), {},
              "invalid_content_encoding");
}

Unexpected ContentDecoder::too_large(std::string_view what) const {
  return fail(ErrorCode::kPayloadTooLarge,
              fmt::format("the request body becomes {} when its {} is taken off", what, name_of(coding_)));
}

Result<void> ContentDecoder::decode(std::string_view bytes, json::PaddedBuffer& out) {
  if (bytes.empty()) return {};
  std::array<char, kBlockBytes> block;
  while (!bytes.empty() || !ended_) {
    if (!coder_) coder_ = make_coder(coding_);
    size_t before = bytes.size();
    Coder::Step step = coder_->step(bytes, block);
    if (step.state == Coder::State::kCorrupt) return corrupt("is not valid");
    ended_ = step.state == Coder::State::kEnd;
    taken_ += before - bytes.size();
    given_ += step.produced;
    if (given_ > bytes_max_) return too_large(fmt::format("larger than {} bytes", bytes_max_));
    if (given_ > kRatioFreeBytes + kRatioMax * taken_)
      return too_large(fmt::format("more than {} times as large", kRatioMax));
    out.append({block.data(), step.produced});
    bool full = step.produced == block.size();  // it may hold more
    if (!full && (bytes.empty() || before == bytes.size())) break;
  }
  if (!bytes.empty()) return corrupt("is not valid");  // a decoder that takes nothing will never end
  return {};
}

Result<void> ContentDecoder::finish() const {
  if (!ended_) return corrupt("ends too early for");
  return {};
}

}  // namespace weir::http
