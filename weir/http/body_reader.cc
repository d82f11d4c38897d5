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
  std::string_view payload = inbox_.bytes().substr(0, step.payload);
  // What was whole before the fault is handed out first: the same bytes in two pieces would have been, too.
  // The fault's own byte is not consumed, so the next take() meets it.
  if (step.state == ParseState::kInvalid)
    return payload.empty() ? Piece{State::kMalformed, {}, step.what} : Piece{State::kData, payload, {}};
  complete_ = step.state == ParseState::kComplete;
  if (complete_) return {State::kEnd, payload, {}};
  if (payload.empty()) {
    release();
    return {};
  }
  return {State::kData, payload, {}};
}

}  // namespace weir::http
