// Content codings against their own encoders: every split gives the same body, bombs are refused before they
// are large, and nothing that is cut, followed by more, or damaged passes.
#include "weir/http/content_decoder.h"

#include <brotli/encode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <string>
#include <vector>

namespace weir::http {
namespace {

constexpr size_t kMax = 1 << 20;
constexpr ContentCoding kAll[] = {ContentCoding::kGzip, ContentCoding::kDeflate, ContentCoding::kBrotli,
                                  ContentCoding::kZstd};

std::string zlib_encoded(std::string_view text, int window_bits) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string encoded(ContentCoding coding, std::string_view text) {
  switch (coding) {
    case ContentCoding::kGzip:
      return zlib_encoded(text, 15 + 16);
    case ContentCoding::kDeflate:
      return zlib_encoded(text, 15);
    case ContentCoding::kBrotli: {
      size_t n = BrotliEncoderMaxCompressedSize(text.size()) + 64;
      std::string out(n, '\0');
      EXPECT_TRUE(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, text.size(),
                                        reinterpret_cast<const uint8_t*>(text.data()), &n,
                                        reinterpret_cast<uint8_t*>(out.data())));
      out.resize(n);
      return out;
    }
    case ContentCoding::kZstd: {
      std::string out(ZSTD_compressBound(text.size()), '\0');
      out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
      return out;
    }
  }
  return {};
}

struct Decoded {
  std::string body;
  size_t body_bytes = 0;  // also when it was refused
  std::string error;      // "" = none
  ErrorCode code = ErrorCode::kInternal;
};

Decoded decoded(ContentCoding coding, std::string_view bytes, size_t step = SIZE_MAX, size_t max = kMax) {
  ContentDecoder decoder(coding, max);
  json::PaddedBuffer out;
  Result<void> result;
  for (size_t at = 0; at < bytes.size() && result; at += std::min(step, bytes.size() - at))
    result = decoder.decode(bytes.substr(at, step), out);
  if (result) result = decoder.finish();
  if (!result) return {{}, out.size(), result.error().message, result.error().code};
  return {std::string(out.view()), out.size(), {}, {}};
}

// Text that compresses about as JSON does: words in a random order.
std::string prose(size_t bytes) {
  std::mt19937 random(11);
  std::string out;
  while (out.size() < bytes)
    out += "\"word" + std::to_string(random() % 500) + "\":" + std::to_string(random() % 100) + ", ";
  out.resize(bytes);
  return out;
}

TEST(ContentDecoder, KnowsItsNames) {
  EXPECT_EQ(content_coding("gzip"), ContentCoding::kGzip);
  EXPECT_EQ(content_coding("X-GZIP"), ContentCoding::kGzip);
  EXPECT_EQ(content_coding("Deflate"), ContentCoding::kDeflate);
  EXPECT_EQ(content_coding("br"), ContentCoding::kBrotli);
  EXPECT_EQ(content_coding("zstd"), ContentCoding::kZstd);
  for (std::string_view other :
       {"", "identity", "compress", "gzip, gzip", "gzip,", "gzip;q=1", "bro", "aes128gcm"})
    EXPECT_EQ(content_coding(other), std::nullopt) << other;
}

TEST(ContentDecoder, GivesBackWhatWasEncodedAtEverySplit) {
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{300}, size_t{16 * 1024}, size_t{70'000}, size_t{900'000}}) {
    std::string text = prose(size);
    for (ContentCoding coding : kAll) {
      std::string bytes = encoded(coding, text);
      for (size_t step : {size_t{1}, size_t{7}, size_t{4096}, SIZE_MAX}) {
        if (step == 1 && size > 100'000) continue;
        Decoded d = decoded(coding, bytes, step);
        EXPECT_EQ(d.error, "") << static_cast<int>(coding) << " " << size << " " << step;
        EXPECT_EQ(d.body, text);
      }
    }
  }
}

TEST(ContentDecoder, RefusesWhatIsCutDamagedOrFollowed) {
  std::string text = prose(5000);
  for (ContentCoding coding : kAll) {
    std::string bytes = encoded(coding, text);
    for (size_t n : {size_t{0}, size_t{1}, size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
      Decoded d = decoded(coding, bytes.substr(0, n), 100);
      EXPECT_THAT(d.error, ::testing::HasSubstr("ends too early")) << static_cast<int>(coding) << " " << n;
      EXPECT_EQ(d.code, ErrorCode::kInvalidRequest);
    }
    EXPECT_NE(decoded(coding, bytes + "x").error, "");
    EXPECT_NE(decoded(coding, bytes + "x", 1).error, "");
    EXPECT_NE(decoded(coding, text).error, "");
    EXPECT_NE(decoded(coding, "{\"model\":\"m\"}").error, "");
    std::string damaged = bytes;
    damaged[0] = static_cast<char>(damaged[0] ^ 0x55);
    EXPECT_NE(decoded(coding, damaged).error, "");
  }
}

// A stream may be several of the same, where its format says so.
TEST(ContentDecoder, TakesSeveralMembers) {
  for (ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    std::string bytes = encoded(coding, "one ") + encoded(coding, "") + encoded(coding, "two");
    for (size_t step : {size_t{1}, size_t{9}, SIZE_MAX})
      EXPECT_EQ(decoded(coding, bytes, step).body, "one two");
  }
  for (ContentCoding coding : {ContentCoding::kDeflate, ContentCoding::kBrotli})
    EXPECT_NE(decoded(coding, encoded(coding, "one") + encoded(coding, "two")).error, "");
}

TEST(ContentDecoder, RefusesMoreThanTheBound) {
  std::string text = prose(200'000);
  for (ContentCoding coding : kAll) {
    std::string bytes = encoded(coding, text);
    EXPECT_EQ(decoded(coding, bytes, 1000, text.size()).error, "");
    Decoded d = decoded(coding, bytes, 1000, text.size() - 1);
    EXPECT_EQ(d.code, ErrorCode::kPayloadTooLarge);
    EXPECT_THAT(d.error, ::testing::HasSubstr("larger than 199999 bytes"));
    EXPECT_LE(d.body_bytes, text.size() - 1);
  }
}

TEST(ContentDecoder, RefusesABombBeforeItIsLarge) {
  for (ContentCoding coding : kAll) {
    std::string bomb = encoded(coding, std::string(64 << 20, '\0'));
    EXPECT_LT(bomb.size(), size_t{70'000});
    for (size_t step : {size_t{100}, SIZE_MAX}) {
      Decoded d = decoded(coding, bomb, step, size_t{1} << 30);
      EXPECT_EQ(d.code, ErrorCode::kPayloadTooLarge);
      EXPECT_THAT(d.error, ::testing::HasSubstr("more than 100 times"));
      // zlib and brotli take what they need; libzstd takes a block first.
      EXPECT_LE(d.body_bytes, ContentDecoder::kRatioFreeBytes + 100 * bomb.size());
    }
    // A small body may be as repetitive as it likes.
    EXPECT_EQ(decoded(coding, encoded(coding, std::string(60'000, ' '))).error, "");
  }
}

TEST(ContentDecoder, RefusesAWindowThatCostsMoreThanABody) {
  // A zstd frame that asks for a window of 128 MiB: magic, descriptor without checksum, window log 27.
  EXPECT_NE(decoded(ContentCoding::kZstd, std::string_view("\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", 9)).error,
            "");
}

}  // namespace
}  // namespace weir::http
