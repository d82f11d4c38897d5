#include "weir/upstream/joiner.h"

#include <algorithm>

namespace weir::upstream {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// All but the white space at its beginning.
std::string_view without_space(std::string_view text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  return text;
}

}  // namespace

Joiner::Joiner(Kind kind, std::string_view sent) : kind_(kind), sent_(sent), end_(sent) {
  if (kind == Kind::kGoesOn) {
    size_t text = sent.size();
    while (text > 0 && is_space(sent[text - 1]))
      --text;
    end_ = sent.substr(text);
    no_echo_ = text < kEchoMin;
  } else if (end_.size() > kWindow) {
    end_ = end_.substr(end_.size() - kWindow);
  }
  if (kind == Kind::kMayRepeat) sent_ = without_space(sent_);
  joined_ = sent_.empty();
}

bool Joiner::may_be_repetition() const {
  return sent_.starts_with(without_space(held_)) || (held_.size() < end_.size() && end_.contains(held_));
}

void Joiner::decide(std::string& out) {
  joined_ = true;
  std::string_view more = held_;
  if (without_space(more).starts_with(sent_)) {
    out += without_space(more).substr(sent_.size());
    return;
  }
  for (size_t n = std::min(end_.size(), more.size()); n >= kRepetitionMin; --n) {
    if (!end_.ends_with(more.substr(0, n))) continue;
    out += more.substr(n);
    return;
  }
  if (!more.empty() && is_word(sent_.back()) && is_word(more.front())) out += ' ';
  out += more;
}

// What follows the text that was shown; the white space at the end of what was sent is there already.
void Joiner::go_on(std::string_view text, std::string& out) {
  while (!end_.empty() && !text.empty() && text.front() == end_.front()) {
    end_.remove_prefix(1);
    text.remove_prefix(1);
  }
  if (text.empty()) return;
  joined_ = true;
  out += text;
}

bool Joiner::take(std::string_view text, std::string& out) {
  if (text.empty()) return true;
  if (joined_) {
    out += text;
    return true;
  }
  switch (kind_) {
    case Kind::kGoesOn:
      if (no_echo_) {
        go_on(text, out);
        return true;
      }
      held_ += text;
      if (held_.size() < shown().size() && shown().starts_with(held_)) return true;
      no_echo_ = true;
      go_on(std::string_view(held_).substr(held_.starts_with(shown()) ? shown().size() : 0), out);
      return true;
    case Kind::kAnew: {
      size_t same = std::min(sent_.size(), text.size());
      if (sent_.substr(0, same) != text.substr(0, same)) return false;
      sent_.remove_prefix(same);
      joined_ = sent_.empty();
      out += text.substr(same);
      return true;
    }
    case Kind::kMayRepeat:
      held_ += text;
      if (!may_be_repetition()) decide(out);
      return true;
  }
  return true;
}

bool Joiner::finish(std::string& out) {
  if (joined_) return true;
  if (kind_ == Kind::kAnew) return false;  // it ended before it came to what is new
  if (kind_ == Kind::kGoesOn && !no_echo_) go_on(held_, out);
  if (kind_ == Kind::kMayRepeat && !held_.empty()) {
    // All it said was the beginning of what was sent: it had nothing to add.
    bool beginning = held_.size() >= kRepetitionMin && sent_.starts_with(without_space(held_));
    if (!beginning) decide(out);
  }
  joined_ = true;
  return true;
}

}  // namespace weir::upstream
