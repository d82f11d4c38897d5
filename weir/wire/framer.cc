#include "weir/wire/framer.h"

namespace weir::wire {
namespace {

StreamFrame frame_of(std::string_view raw) {
  std::string_view data = raw;
  while (data.ends_with('\n') || data.ends_with('\r'))
    data.remove_suffix(1);
  return {.raw = raw, .event = {}, .data = data, .has_data = !data.empty()};
}

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

void LineFramer::feed(std::string_view bytes) {
  input_ = bytes;
}

std::optional<StreamFrame> LineFramer::next() {
  if (emitted_) {
    carry_.clear();
    emitted_ = false;
  }
  while (!overflow_) {
    size_t end = input_.find('\n');
    size_t size = end == std::string_view::npos ? input_.size() : end + 1;
    if (carry_.size() + size > line_bytes_max_) {
      overflow_ = true;
      break;
    }
    if (end == std::string_view::npos) {
      carry_.append(input_);
      input_ = {};
      break;
    }
    std::string_view line = input_.substr(0, size);
    input_.remove_prefix(size);
    if (!carry_.empty()) {
      carry_.append(line);
      line = carry_;
      emitted_ = true;
    }
    if (!blank(line)) return frame_of(line);
    if (emitted_) {
      carry_.clear();
      emitted_ = false;
    }
  }
  return std::nullopt;
}

std::optional<StreamFrame> LineFramer::finish() {
  if (emitted_ || overflow_ || blank(carry_)) return std::nullopt;
  emitted_ = true;
  return frame_of(carry_);
}

}  // namespace weir::wire
