#include <algorithm>
#include <cstring>

#include "weir/http/h1_bytes.h"
#include "weir/http/h1_codec.h"

// A state machine over the bytes of the framing; payload is moved in runs. A chunk of a streamed answer has
// about 6 framing bytes, so it is the runs that count.

namespace weir::http {
namespace {

using h1::kBareCr;
using h1::kBareLf;
using h1::kFieldValue;
using h1::kLengthMax;
using h1::kToken;

constexpr int kChunkDigitsMax = 16;
constexpr uint32_t kExtensionBytesMax = 256;
constexpr uint32_t kTrailerBytesMax = 8192;

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool token(char c) {
  return kToken.has[static_cast<unsigned char>(c)];
}
bool field_value(char c) {
  return kFieldValue[static_cast<unsigned char>(c)];
}

}  // namespace

void ChunkedDecoder::reset() {
  *this = {};
}

// Returns why the byte is refused, or nothing. Not called in kData.
std::string_view ChunkedDecoder::frame_byte(char c) {
  auto next = [this](State s) {
    state_ = s;
    return std::string_view();
  };
  auto refused = [c](std::string_view what) { return c == '\n' ? kBareLf : what; };
  if (state_ >= State::kExtensionFirst && state_ <= State::kAfterQuoted && c != '\r' &&
      (++extension_bytes_ > kExtensionBytesMax || extension_room_-- == 0))
    return "chunk extensions are too long";
  if (state_ >= State::kTrailerFirst && ++trailer_bytes_ > kTrailerBytesMax) return "trailers are too long";
  switch (state_) {
    case State::kSizeFirst:
    case State::kSize: {
      if (int d = hex_digit(c); d >= 0) {
        if (++digits_ > kChunkDigitsMax || left_ > (kLengthMax >> 4)) return "chunk size is too large";
        left_ = left_ << 4 | static_cast<uint64_t>(d);
        return next(State::kSize);
      }
      if (state_ == State::kSizeFirst) return refused("chunk size is not a hexadecimal number");
      if (c == '\r') return next(State::kSizeLf);
      if (c == ';') return next(State::kExtensionFirst);
      return refused("chunk size is not a hexadecimal number");
    }
    case State::kExtensionFirst:
    case State::kExtension:
      if (token(c)) return next(State::kExtension);
      if (state_ == State::kExtensionFirst) return refused("chunk extension has no name");
      if (c == '=') return next(State::kValueFirst);
      [[fallthrough]];
    case State::kAfterQuoted:
      if (c == ';') return next(State::kExtensionFirst);
      if (c == '\r') return next(State::kSizeLf);
      return refused("byte not allowed in a chunk extension");
    case State::kValueFirst:
      if (c == '"') return next(State::kQuoted);
      if (token(c)) return next(State::kValue);
      return refused("chunk extension has no value");
    case State::kValue:
      if (token(c)) return next(State::kValue);
      if (c == ';') return next(State::kExtensionFirst);
      if (c == '\r') return next(State::kSizeLf);
      return refused("byte not allowed in a chunk extension");
    case State::kQuoted:
      if (c == '"') return next(State::kAfterQuoted);
      if (c == '\\') return next(State::kQuotedPair);
      if (!field_value(c)) return refused("byte not allowed in a quoted chunk extension");
      return {};
    case State::kQuotedPair:
      if (!field_value(c)) return refused("byte not allowed in a quoted chunk extension");
      return next(State::kQuoted);
    case State::kSizeLf:
      if (c != '\n') return kBareCr;
      digits_ = 0;
      extension_bytes_ = 0;
      return next(left_ == 0 ? State::kTrailerFirst : State::kData);
    case State::kDataCr:
      if (c != '\r') return refused("chunk is longer than its size");
      return next(State::kDataLf);
    case State::kDataLf:
      if (c != '\n') return kBareCr;
      return next(State::kSizeFirst);
    case State::kTrailerFirst:
      if (c == '\r') return next(State::kLastLf);
      [[fallthrough]];
    case State::kTrailerName:
      if (c == ':' && state_ == State::kTrailerName) return next(State::kTrailerValue);
      if (!token(c)) return refused("trailer name is not a token");
      return next(State::kTrailerName);
    case State::kTrailerValue:
      if (c == '\r') return next(State::kTrailerLf);
      if (!field_value(c)) return refused("control byte in a trailer value");
      return {};
    case State::kTrailerLf:
      if (c != '\n') return kBareCr;
      return next(State::kTrailerFirst);
    case State::kLastLf:
      if (c != '\n') return kBareCr;
      return next(State::kDone);
    case State::kData:
    case State::kDone:
      break;
  }
  return "bytes after the last chunk";
}

ChunkedDecoder::Step ChunkedDecoder::decode(std::span<char> bytes) {
  if (!refusal_.empty()) return {ParseState::kInvalid, 0, 0, refusal_};
  size_t at = 0;
  size_t payload = 0;
  while (at < bytes.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      size_t n = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size() - at));
      if (payload != at) std::memmove(bytes.data() + payload, bytes.data() + at, n);
      payload += n;
      at += n;
      left_ -= n;
      extension_room_ += n;
      if (left_ == 0) state_ = State::kDataCr;
    } else if (refusal_ = frame_byte(bytes[at]); !refusal_.empty()) {
      return {ParseState::kInvalid, at, payload, refusal_};
    } else {
      ++at;
    }
  }
  return {state_ == State::kDone ? ParseState::kComplete : ParseState::kIncomplete, at, payload, {}};
}

}  // namespace weir::http
