#include "weir/http/body_reader.h"

#include <algorithm>

namespace weir::http {

void BodyReader::release() {
  if (held_ > 0) inbox_.consume(std::exchange(held_, 0));
}

BodyReader::Piece BodyReader::take() {
  release();
  if (complete_) return {State::kEnd, {}, {}};
  if (inbox_.empty()) {
    if (inbox_.status() == io::IoStatus::kOk) return {};
    if (framing_ == Framing::kUntilClose && inbox_.status() == io::IoStatus::kEof) {
      complete_ = true;
      return {State::kEnd, {}, {}};
    }
    return {State::kTruncated, {}, "the connection closed before the body was complete"};
  }
  switch (framing_) {
    case Framing::kLength: {
      size_t n = static_cast<size_t>(std::min<uint64_t>(left_, inbox_.size()));
      left_ -= n;
      held_ = n;
      complete_ = left_ == 0;
      return {complete_ ? State::kEnd : State::kData, inbox_.bytes().substr(0, n), {}};
    }
    case Framing::kUntilClose: {
      held_ = inbox_.size();
      return {State::kData, inbox_.bytes(), {}};
    }
    case Framing::kChunked:
      break;
  }
  ChunkedDecoder::Step step = decoder_.decode(inbox_.mutable_bytes());
  held_ = step.consumed;
  if (step.state == ParseState::kInvalid) return {State::kMalformed, {}, step.what};
  complete_ = step.state == ParseState::kComplete;
  std::string_view payload = inbox_.bytes().substr(0, step.payload);
  if (complete_) return {State::kEnd, payload, {}};
  if (payload.empty()) {
    release();
    return {};
  }
  return {State::kData, payload, {}};
}

}  // namespace weir::http
