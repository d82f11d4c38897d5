#include "weir/wire/sse.h"

#include <emmintrin.h>

#include <bit>

#include "weir/base/mutation.h"

namespace weir::wire {
namespace {

constexpr std::string_view kBom = "\xef\xbb\xbf";

// The index of the first LF or CR from `from` on, or the size. Two memchr would read a LF-only stream twice.
inline size_t find_line_end(std::string_view bytes, size_t from) {
  const char* b = bytes.data();
  const size_t end = bytes.size();
  for (; end - from >= 16; from += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + from));
    __m128i hit =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
    if (auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit)); mask != 0)
      return from + std::countr_zero(mask);
  }
  while (from < end && b[from] != '\n' && b[from] != '\r')
    ++from;
  return from;
}

}  // namespace

void SseFramer::feed(std::string_view bytes) {
  if (emitted_) begin_block();
  if (overflow_) return;
  input_ = bytes;
  begin_ = at_ = 0;
}

size_t SseFramer::pending_bytes() const {
  if (overflow_) return 0;
  size_t bom = bom_ < kBom.size() ? bom_ : 0;
  return bom + (emitted_ ? 0 : carry_.size()) + (input_.size() - begin_);
}

// Drops a BOM at the stream's start. False: too few bytes to tell.
bool SseFramer::skip_bom() {
  while (bom_ < kBom.size()) {
    if (at_ == input_.size()) {
      input_ = {};
      begin_ = at_ = 0;
      return false;
    }
    if (input_[at_] != kBom[bom_]) {  // no BOM: what looked like one is content
      carry_.assign(kBom.substr(0, bom_));
      begin_ = at_;
      bom_ = kBom.size();
      return true;
    }
    ++at_;
    ++bom_;
  }
  begin_ = at_;
  return true;
}

void SseFramer::begin_block() {
  emitted_ = false;
  carry_.clear();
  line_begin_ = 0;
  event_ = {};
  data_ = {};
  data_lines_ = 0;
}

// The block so far, as one run of bytes.
std::string_view SseFramer::block() {
  if (carry_.empty()) return input_.substr(begin_, at_ - begin_);
  carry_.append(input_, begin_, at_ - begin_);
  begin_ = at_;
  return carry_;
}

// Takes the meaning of the line [begin, end) of the block.
void SseFramer::line(std::string_view block, size_t begin, size_t end) {
  std::string_view text = block.substr(begin, end - begin);
  size_t value = 0;
  bool is_data = false;
  if (text.starts_with("data")) {
    is_data = true;
    value = 4;
  } else if (text.starts_with("event")) {
    value = 5;
  } else {
    return;  // a comment, id, retry, or a field nobody knows
  }
  if (value < text.size() && text[value++] != ':') return;
  if (value < text.size() && text[value] == ' ') ++value;
  Piece piece{begin + value, text.size() - value};
  if (!is_data) {
    event_ = piece;
    return;
  }
  if (++data_lines_ == 1) {
    data_ = piece;
    return;
  }
  if (data_lines_ == 2) joined_.assign(block, data_.at, data_.size);
  joined_ += '\n';
  joined_.append(block, piece.at, piece.size);
}

std::optional<SseEvent> SseFramer::emit() {
  if (too_long()) {
    overflow_ = true;
    return std::nullopt;
  }
  SseEvent out;
  out.raw = block();
  begin_ = at_;
  out.event = out.raw.substr(event_.at, event_.size);
  out.data = data_lines_ > 1 ? std::string_view(joined_) : out.raw.substr(data_.at, data_.size);
  out.has_data = data_lines_ != 0;
  emitted_ = true;
  return out;
}

void SseFramer::hold_tail() {
  if (too_long()) {
    overflow_ = true;
    return;
  }
  carry_.append(input_, begin_, at_ - begin_);
  if (WEIR_MUTATE(kFramerSplit) && !carry_.empty()) carry_.pop_back();
  input_ = {};
  begin_ = at_ = 0;
}

std::optional<SseEvent> SseFramer::next() {
  if (emitted_) begin_block();
  if (overflow_ || (bom_ < kBom.size() && !skip_bom())) return std::nullopt;
  while (at_ < input_.size()) {
    if (closing_cr_) {
      closing_cr_ = false;
      if (input_[at_] == '\n')
        ++at_;
      else
        last_end_ = LineEnd::kCr;
      return emit();
    }
    if (after_cr_) {
      after_cr_ = false;
      if (input_[at_] == '\n') {
        ++at_;
        ++line_begin_;
        last_end_ = LineEnd::kCrLf;
        continue;
      }
    }
    size_t end = find_line_end(input_, at_);
    at_ = end;
    if (end == input_.size()) break;
    bool lf = input_[end] == '\n';
    size_t line_end = carry_.size() + (end - begin_);
    if (line_end == line_begin_) {  // the blank line
      ++at_;
      if (!lf && last_end_ == LineEnd::kCrLf) {
        closing_cr_ = true;
        continue;
      }
      last_end_ = lf ? LineEnd::kLf : LineEnd::kCr;
      after_cr_ = !lf;
      return emit();
    }
    ++at_;
    line(block(), line_begin_, line_end);
    line_begin_ = line_end + 1;
    last_end_ = lf ? LineEnd::kLf : LineEnd::kCr;
    after_cr_ = !lf;
  }
  hold_tail();
  return std::nullopt;
}

}  // namespace weir::wire
