// For tests of wires: a stream's steps as text, from any cut of its bytes; a caller's stream from steps.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "weir/wire/wire.h"

namespace weir::wire {

inline std::string_view name(chat::PartKind kind) {
  switch (kind) {
    case chat::PartKind::kText:
      return "text";
    case chat::PartKind::kRefusal:
      return "refusal";
    case chat::PartKind::kThinking:
      return "thinking";
    case chat::PartKind::kRedactedThinking:
      return "redacted_thinking";
    case chat::PartKind::kToolCall:
      return "tool_call";
    default:
      return "other";
  }
}

inline std::string_view name(chat::Finish finish) {
  switch (finish) {
    case chat::Finish::kStop:
      return "stop";
    case chat::Finish::kStopSequence:
      return "stop_sequence";
    case chat::Finish::kLength:
      return "length";
    case chat::Finish::kToolCalls:
      return "tool_calls";
    case chat::Finish::kContentFilter:
      return "content_filter";
    case chat::Finish::kRefusal:
      return "refusal";
    case chat::Finish::kPause:
      return "pause";
    case chat::Finish::kOther:
      return "other";
  }
  return "?";
}

/// Writes each step as one line: "0 open tool_call call_1 get_weather", "0 text Hel", "usage in=3 out=2" ...
class StepLog final : public chat::Sink {
 public:
  void take(const chat::Step& step) override {
    using Kind = chat::Step::Kind;
    switch (step.kind) {
      case Kind::kStart:
        text += fmt::format("start {} {}\n", step.id, step.name);
        break;
      case Kind::kOpen:
        text +=
            fmt::format("{} open {} {} {}{}\n", step.choice, name(step.part), step.id, step.name, step.text);
        break;
      case Kind::kText:
        text += fmt::format("{} {} {}\n", step.choice, name(step.part), step.text);
        break;
      case Kind::kSignature:
        text += fmt::format("{} signature {}\n", step.choice, step.text);
        break;
      case Kind::kClose:
        text += fmt::format("{} close {}\n", step.choice, name(step.part));
        break;
      case Kind::kFinish:
        text += fmt::format("{} finish {} {}\n", step.choice, name(step.finish), step.text);
        break;
      case Kind::kUsage:
        text += fmt::format(
            "usage in={} out={} cached={} written={} reasoning={}\n", step.usage->input_tokens.value_or(-1),
            step.usage->output_tokens.value_or(-1), step.usage->cached_input_tokens.value_or(-1),
            step.usage->cache_write_tokens.value_or(-1), step.usage->reasoning_tokens.value_or(-1));
        break;
      case Kind::kEnd:
        text += "end\n";
        break;
    }
  }
  std::string text;
};

/// Feeds `bytes` to `sink` as a relay would, in two pieces cut at `cut`. The error's reason and words if one
/// came.
inline std::string read_stream(const Wire& wire, std::string_view bytes, size_t cut, chat::Sink& sink) {
  std::unique_ptr<StreamReader> reader = wire.stream_reader();
  SseFramer sse;
  LineFramer lines;
  bool lined = wire.framing() == Framing::kNdjson;
  for (std::string_view piece : {bytes.substr(0, cut), bytes.substr(std::min(cut, bytes.size()))}) {
    lined ? lines.feed(piece) : sse.feed(piece);
    while (std::optional<StreamFrame> frame = lined ? lines.next() : sse.next()) {
      if (frame->data.empty()) continue;
      if (auto read = reader->read(*frame, sink); !read)
        return read.error().reason + ": " + read.error().safe;
    }
  }
  if (lined)
    if (auto frame = lines.finish())
      if (auto read = reader->read(*frame, sink); !read)
        return read.error().reason + ": " + read.error().safe;
  reader->finish(sink);
  return {};
}

/// The steps of `bytes`; the last line is "error: ..." if one came. Adds "CUT n DIFFERS" if any cut of the
/// bytes gives others.
inline std::string steps_of(const Wire& wire, std::string_view bytes) {
  auto steps = [&](size_t cut) {
    StepLog log;
    if (std::string error = read_stream(wire, bytes, cut, log); !error.empty())
      log.text += "error: " + error + "\n";
    return log.text;
  };
  std::string whole = steps(bytes.size());
  for (size_t cut = 0; cut < bytes.size(); ++cut)
    if (steps(cut) != whole) return whole + fmt::format("CUT {} DIFFERS\n", cut);
  return whole;
}

/// What a caller of dialect `out` gets for a stream of dialect `in`.
inline std::string translated(const Wire& in, const Wire& out, std::string_view bytes,
                              AnswerContext context) {
  class Tee final : public chat::Sink {
   public:
    explicit Tee(StreamWriter& w) : writer(w) {}
    void take(const chat::Step& step) override {
      writer.take(step);
      text += writer.out;
      writer.out.clear();
    }
    StreamWriter& writer;
    std::string text;
  };
  std::unique_ptr<StreamWriter> writer = out.stream_writer(std::move(context));
  Tee tee(*writer);
  std::string error = read_stream(in, bytes, bytes.size(), tee);
  return tee.text + error;
}

}  // namespace weir::wire
