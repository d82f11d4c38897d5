#include "weir/app/mock/speech.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace weir::app {
namespace {

namespace chat = exchange::chat;
using chat::Finish;
using chat::Message;
using chat::Part;
using chat::PartKind;
using chat::Role;
using chat::Step;

constexpr std::string_view kScriptLine = "mock: {";
constexpr std::string_view kSentence = "A river is a natural stream of water that flows to a sea or a lake.";
constexpr size_t kArgumentPieceBytes = 6;

// "Two words" -> "Two", " words".
std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    size_t begin = text.find_first_not_of(" \n");
    size_t end = begin == std::string_view::npos ? text.size()
                                                 : std::min(text.find_first_of(" \n", begin), text.size());
    pieces.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pieces;
}

std::string text_of(const Message& message) {
  std::string text;
  for (const Part& part : message.parts)
    if (part.kind == PartKind::kText) text += part.text;
  return text;
}

std::string_view without_script(std::string_view text) {
  std::string_view object = script_in(text);
  if (object.empty()) return text;
  text.remove_prefix(std::min(text.size(), static_cast<size_t>(object.end() - text.begin()) + 1));
  return text;
}

void describe(const Part& part, std::string& out) {
  switch (part.kind) {
    case PartKind::kText:
    case PartKind::kRefusal:
      fmt::format_to(std::back_inserter(out), " text '{}'", without_script(part.text));
      break;
    case PartKind::kThinking:
      fmt::format_to(std::back_inserter(out), " thinking '{}' signature '{}'", part.text, part.signature);
      break;
    case PartKind::kRedactedThinking:
      fmt::format_to(std::back_inserter(out), " redacted '{}'", part.data);
      break;
    case PartKind::kImage:
    case PartKind::kAudio:
    case PartKind::kFile:
      fmt::format_to(std::back_inserter(out), " {} {} {}",
                     part.kind == PartKind::kImage   ? "image"
                     : part.kind == PartKind::kAudio ? "audio"
                                                     : "file",
                     part.media_type.empty() ? "-" : part.media_type,
                     !part.data.empty() ? fmt::format("{} base64 bytes", part.data.size())
                     : part.url.empty() ? part.file_id + part.text
                                        : part.url);
      break;
    case PartKind::kToolCall:
      fmt::format_to(std::back_inserter(out), " call {} {}{}", part.id, part.name, part.text);
      break;
    case PartKind::kToolResult:
      fmt::format_to(std::back_inserter(out), " result {}{}", part.id, part.is_error ? " error" : "");
      for (const Part& inside : part.content)
        describe(inside, out);
      break;
  }
}

// What came, a line a message.
std::string description(const chat::Request& asked) {
  std::string out;
  for (const Message& message : asked.messages) {
    if (!out.empty()) out += '\n';
    out += message.role == Role::kSystem ? "system" : message.role == Role::kUser ? "user" : "assistant";
    for (const Part& part : message.parts)
      describe(part, out);
  }
  for (const chat::Tool& tool : asked.tools)
    out += "\ntool " + tool.name;
  return out;
}

bool is_result(const Part& part) {
  return part.kind == PartKind::kToolResult;
}

bool brings_results(const chat::Request& asked) {
  return !asked.messages.empty() && std::ranges::any_of(asked.messages.back().parts, is_result);
}

// Some dialects bring each in a message of its own.
std::string results_of(const chat::Request& asked) {
  size_t first = asked.messages.size();
  while (first > 0 && std::ranges::any_of(asked.messages[first - 1].parts, is_result))
    --first;
  std::string out = "The tools said:";
  for (const Message& message : asked.messages | std::views::drop(first))
    for (const Part& part : message.parts | std::views::filter(is_result))
      for (const Part& inside : part.content)
        if (inside.kind == PartKind::kText) out += " " + inside.text;
  return out;
}

}  // namespace

std::string_view script_in(std::string_view text) {
  text.remove_prefix(
      std::min(text.find_first_not_of(" \n"), text.size()));  // LangChain puts a line end first
  if (!text.starts_with(kScriptLine)) return {};
  text.remove_prefix(kScriptLine.size() - 1);
  return text.substr(0, text.find('\n'));
}

std::string_view script_in(const chat::Request& asked) {
  for (const Message& message : asked.messages | std::views::reverse) {
    if (message.role != Role::kUser) continue;
    for (const Part& part : message.parts)
      if (std::string_view script = script_in(part.text); part.kind == PartKind::kText && !script.empty())
        return script;
  }
  return {};
}

std::string last_user_text(const chat::Request& asked) {
  for (const Message& message : asked.messages | std::views::reverse)
    if (std::string text = text_of(message); message.role == Role::kUser && !text.empty())
      return std::string(without_script(text));
  return {};
}

Speech::Speech(const Script& script, const chat::Request& asked, exchange::Dialect dialect, bool streamed)
    : script_(script) {
  if (!script.thinking.empty()) thoughts_ = pieces_of(script.thinking);
  choose_calls(asked, dialect);
  choose_text(asked, streamed);
  if (script.prefill != "fresh") go_on(asked);
}

void Speech::choose_calls(const chat::Request& asked, exchange::Dialect dialect) {
  if (brings_results(asked)) return;  // they were called: an agent's loop has an end
  size_t place = 0;
  for (const Script::ToolCall& tool : script_.tools) {
    Call call;
    call.id =
        fmt::format("{}_mock_{}", dialect == exchange::Dialect::kAnthropic ? "toolu" : "call", place + 1);
    call.name = tool.name;
    if (call.name.empty())
      call.name = asked.tools.empty() ? "get_weather" : asked.tools[place % asked.tools.size()].name;
    for (std::string_view rest = tool.arguments; !rest.empty();) {
      call.pieces.emplace_back(rest.substr(0, kArgumentPieceBytes));
      rest.remove_prefix(call.pieces.back().size());
    }
    calls_.push_back(std::move(call));
    ++place;
  }
}

void Speech::choose_text(const chat::Request& asked, bool streamed) {
  std::optional<std::string> text = script_.text;
  if (script_.echo) text = last_user_text(asked);
  if (script_.received) text = description(asked);
  if (!text && !script_.tools.empty() && calls_.empty()) text = results_of(asked);
  if (!text && !calls_.empty() && !script_.frames_given) text = "";
  // A whole answer that was not told how long it is.
  if (!text && !streamed && !script_.numbered())
    text = script_.text_bytes > 0 ? word(0) : std::string(kSentence);
  if (text) {
    words_ = pieces_of(*text);
    frames_ = static_cast<int64_t>(words_.size());
  } else {
    frames_ = std::max<int64_t>(script_.frames, 0);
  }
}

// A text that was begun goes on where it ends, in the middle of a word if need be: one that the last message,
// the assistant's, has begun; or the one before a message of the user that asks to go on.
void Speech::go_on(const chat::Request& asked) {
  size_t n = asked.messages.size();
  if (n == 0 || frames_ > 1'000'000) return;
  const Message* begun = &asked.messages[n - 1];
  if (begun->role == Role::kUser && n > 1) begun = &asked.messages[n - 2];
  if (begun->role != Role::kAssistant) return;
  std::string said = text_of(*begun);
  if (said.empty()) return;
  std::string all;
  std::vector<size_t> ends;
  for (int64_t i = 0; i < frames_; ++i) {
    all += word(i);
    ends.push_back(all.size());
  }
  // On its way the text may have lost the space it began with.
  size_t skipped = all.starts_with(said) ? 0 : std::min(all.find_first_not_of(' '), all.size());
  if (!std::string_view(all).substr(skipped).starts_with(said)) return;
  size_t end = skipped + said.size();
  if (end >= all.size() && begun != &asked.messages.back())
    return;  // that answer was whole: another question
  auto at = std::ranges::upper_bound(ends, end);
  frame_ = at - ends.begin();
  if (at == ends.end()) return;
  size_t word_begin = *at - word(frame_).size();
  if (script_.overlap > 0)
    frame_ = std::max<int64_t>(frame_ - script_.overlap, 0);
  else if (end > word_begin)
    first_ = all.substr(end, *at - end);
}

std::string Speech::word(int64_t index) const {
  if (!words_.empty()) return words_[static_cast<size_t>(index)];
  if (script_.numbered()) return mock_word(script_.text_seed, index, script_.text_bytes);
  return script_.text_bytes > 0 ? std::string(static_cast<size_t>(script_.text_bytes), 'x') : " token";
}

exchange::Usage Speech::usage() const {
  exchange::Usage usage;
  usage.input_tokens = script_.input_tokens;
  usage.output_tokens = script_.output_tokens.value_or(script_.numbered() ? said_ : 20);
  usage.cached_input_tokens = script_.cached_tokens;
  return usage;
}

void Speech::start(chat::Sink& sink) {
  if (started_) return;
  started_ = true;
  sink.take({.kind = Step::Kind::kStart, .id = "mock", .name = "mock"});
  exchange::Usage input = usage();
  input.output_tokens.reset();
  if (script_.usage != "none") sink.take({.kind = Step::Kind::kUsage, .usage = &input});
  if (script_.redacted.empty()) return;
  sink.take({.kind = Step::Kind::kOpen, .part = PartKind::kRedactedThinking, .text = script_.redacted});
  sink.take({.kind = Step::Kind::kClose, .part = PartKind::kRedactedThinking});
}

void Speech::next(chat::Sink& sink) {
  start(sink);
  if (thought_ < thoughts_.size()) {
    blocks_.text(PartKind::kThinking, thoughts_[thought_++], sink);
    if (thought_ < thoughts_.size()) return;
    blocks_.signature(PartKind::kThinking, kThoughtSignature, sink);
    return blocks_.close(sink);
  }
  if (frame_ < frames_) {
    PartKind part = script_.finish == "refusal" ? PartKind::kRefusal : PartKind::kText;
    blocks_.text(part, first_.empty() ? word(frame_) : first_, sink);
    first_.clear();
    ++frame_;
    ++said_;
    return;
  }
  const Call& call = calls_[call_];
  if (piece_ == 0) {
    blocks_.close(sink);
    sink.take({.kind = Step::Kind::kOpen, .part = PartKind::kToolCall, .id = call.id, .name = call.name});
  }
  if (piece_ < call.pieces.size())
    sink.take({.kind = Step::Kind::kText, .part = PartKind::kToolCall, .text = call.pieces[piece_]});
  if (++piece_ < call.pieces.size()) return;
  sink.take({.kind = Step::Kind::kClose, .part = PartKind::kToolCall});
  piece_ = 0;
  ++call_;
}

Finish Speech::reason() const {
  if (script_.finish == "stop_sequence") return Finish::kStopSequence;
  if (script_.finish == "length") return Finish::kLength;
  if (script_.finish == "tool_calls") return Finish::kToolCalls;
  if (script_.finish == "content_filter") return Finish::kContentFilter;
  if (script_.finish == "refusal") return Finish::kRefusal;
  if (script_.finish == "pause") return Finish::kPause;
  return script_.finish.empty() && !calls_.empty() ? Finish::kToolCalls : Finish::kStop;
}

void Speech::finish(chat::Sink& sink) {
  start(sink);
  blocks_.close(sink);
  sink.take({.kind = Step::Kind::kFinish, .finish = reason()});
  exchange::Usage all = usage();
  if (script_.usage != "none") sink.take({.kind = Step::Kind::kUsage, .usage = &all});
}

}  // namespace weir::app
