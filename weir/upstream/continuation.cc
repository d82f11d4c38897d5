#include "weir/upstream/continuation.h"

#include <algorithm>
#include <utility>

#include "weir/base/json_write.h"

namespace weir::upstream {

namespace chat = exchange::chat;
using chat::PartKind;
using chat::Step;

namespace {

constexpr std::string_view kGoOnWords =
    "Your last message was cut off. Go on exactly where it ended: begin with the very next word, repeat "
    "nothing "
    "of it, and add no remark about this.";

// Some model servers refuse a message that ends in white space.
std::string_view without_end_space(std::string_view text) {
  size_t end = text.find_last_not_of(" \n\t\r");
  return text.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

std::string text_message(std::string_view role, std::string_view text) {
  std::string out = R"({"role":")";
  out.append(role).append(R"(","content":)");
  json::append_quoted(out, text);
  out += '}';
  return out;
}

Joiner::Kind joint(Ask ask) {
  if (ask == Ask::kPrefill) return Joiner::Kind::kGoesOn;
  return ask == Ask::kGoOn ? Joiner::Kind::kMayRepeat : Joiner::Kind::kAnew;
}

// Where only thoughts were sent so far, the question as it was is the way to go on.
bool shows_text(Ask ask, const Transcript& so_far) {
  return (ask == Ask::kPrefill || ask == Ask::kGoOn) && !without_end_space(so_far.text()).empty();
}

}  // namespace

void ask_to_go_on(chat::Request& request, Ask ask, const Transcript& so_far) {
  if (!shows_text(ask, so_far)) return;
  auto say = [&](chat::Role role, std::string_view text) {
    chat::Message& message = request.messages.emplace_back();
    message.role = role;
    message.parts.emplace_back().text = text;
  };
  say(chat::Role::kAssistant, without_end_space(so_far.text()));
  if (ask == Ask::kGoOn) say(chat::Role::kUser, kGoOnWords);
  if (request.max_tokens) request.max_tokens = std::max<int64_t>(*request.max_tokens - so_far.pieces(), 1);
}

bool ask_to_go_on(json::Edits& edits, const json::Document& document, Ask ask, const Transcript& so_far,
                  bool wants_flags) {
  if (!shows_text(ask, so_far)) return true;
  const json::Value* messages = document.find("messages");
  if (!messages || messages->type != json::Type::kArray) return false;
  edits.append_element(messages->raw, text_message("assistant", without_end_space(so_far.text())));
  if (ask == Ask::kGoOn) edits.append_element(messages->raw, text_message("user", kGoOnWords));
  if (ask == Ask::kPrefill && wants_flags) {
    edits.append_member(document.root.raw, R"("continue_final_message":true)");
    edits.append_member(document.root.raw, R"("add_generation_prompt":false)");
  }
  for (std::string_view key : {"max_tokens", "max_completion_tokens"})
    if (const json::Value* max = document.find(key))
      if (auto tokens = max->as_int())
        edits.replace(max->raw, std::to_string(std::max<int64_t>(*tokens - so_far.pieces(), 1)));
  return true;
}

Continuation::Continuation(Ask ask, const Transcript& so_far, chat::Sink& next)
    : sent_(so_far.text()),
      joiner_(joint(ask), sent_),
      next_(next),
      inside_(so_far.inside(PartKind::kText)),
      in_thoughts_(so_far.inside(PartKind::kThinking)) {}

void Continuation::say(std::string_view text) {
  out_.clear();
  if (!joiner_.take(text, out_)) diverged_ = true;
  if (!diverged_ && !out_.empty())
    next_.take({.kind = Step::Kind::kText, .part = PartKind::kText, .text = out_});
}

// The first text is over, or there is none: what was held back is said.
void Continuation::end_of_text() {
  out_.clear();
  if (!joiner_.finish(out_)) diverged_ = true;
  if (diverged_ || out_.empty()) return;
  if (!inside_) next_.take({.kind = Step::Kind::kOpen, .part = PartKind::kText});
  inside_ = true;
  next_.take({.kind = Step::Kind::kText, .part = PartKind::kText, .text = out_});
}

void Continuation::take(const Step& step) {
  if (diverged_) return;
  bool is_text = step.part == PartKind::kText;
  switch (step.kind) {
    case Step::Kind::kStart:
      return;
    case Step::Kind::kUsage:
    case Step::Kind::kEnd:
      next_.take(step);
      return;
    case Step::Kind::kOpen:
      // Its thoughts belong to an answer of its own.
      skipping_ = step.part == PartKind::kThinking || step.part == PartKind::kRedactedThinking;
      if (skipping_) return;
      if (in_thoughts_) next_.take({.kind = Step::Kind::kClose, .part = PartKind::kThinking});
      in_thoughts_ = false;
      if (!is_text) {
        if (inside_) next_.take({.kind = Step::Kind::kClose, .part = PartKind::kText});
        inside_ = false;
        next_.take(step);
        return;
      }
      text_begun_ = true;
      if (!inside_) next_.take(step);
      inside_ = true;
      return;
    case Step::Kind::kText:
      if (skipping_) return;
      if (is_text)
        say(step.text);
      else
        next_.take(step);
      return;
    case Step::Kind::kSignature:
      if (!skipping_) next_.take(step);
      return;
    case Step::Kind::kClose:
      if (std::exchange(skipping_, false)) return;
      if (is_text) end_of_text();
      if (is_text) inside_ = false;
      if (!diverged_) next_.take(step);
      return;
    case Step::Kind::kFinish:
      if (in_thoughts_) next_.take({.kind = Step::Kind::kClose, .part = PartKind::kThinking});
      if (!text_begun_) end_of_text();
      if (!diverged_ && inside_) next_.take({.kind = Step::Kind::kClose, .part = PartKind::kText});
      inside_ = in_thoughts_ = false;
      if (!diverged_) next_.take(step);
      return;
  }
}

}  // namespace weir::upstream
