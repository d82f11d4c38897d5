// The Anthropic wire's streams. Whatever a model server sends: the reader's steps keep the order that
// chat::Step promises, and what the writer makes of them is a stream that a strict client takes (each event
// one JSON document named as its frame, blocks one after the other with contiguous indices, deltas of the
// block's own kind, nothing left open, one end or none). Read again it is the same answer; so is the answer
// written whole. The writer keeps its order for steps in any order, too. The first byte chooses: raw bytes,
// events made of the bytes, or steps made of them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/json_write.h"
#include "weir/base/utf8.h"
#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/sse.h"

namespace {

namespace chat = weir::exchange::chat;
namespace json = weir::json;
namespace wire = weir::wire;
using chat::PartKind;
using chat::Step;

void check(bool ok) {
  if (!ok) std::abort();
}

// Hands bytes out one decision at a time.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    auto b = static_cast<uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return b;
  }
  size_t below(size_t n) { return byte() % n; }
  std::string_view text() {
    std::string_view t = bytes_.substr(0, below(8));
    bytes_.remove_prefix(t.size());
    return t;
  }

 private:
  std::string_view bytes_;
};

// The order that chat::Step promises.
class Order final : public chat::Sink {
 public:
  explicit Order(chat::Sink& next) : next_(next) {}
  void take(const Step& step) override {
    check(!ended_ && step.choice == 0);
    check(started_ != (step.kind == Step::Kind::kStart));
    started_ = true;
    switch (step.kind) {
      case Step::Kind::kOpen:
        check(!open_ && !finished_);
        open_ = step.part;
        break;
      case Step::Kind::kText:
        check(open_ == step.part && step.part != PartKind::kRedactedThinking && !step.text.empty());
        break;
      case Step::Kind::kSignature:
        check(open_ == step.part && step.part == PartKind::kThinking && !step.text.empty());
        break;
      case Step::Kind::kClose:
        check(open_ == step.part);
        open_.reset();
        break;
      case Step::Kind::kFinish:
        check(!open_ && !finished_);
        finished_ = true;
        break;
      case Step::Kind::kUsage:
        check(step.usage && step.usage->known());
        break;
      case Step::Kind::kEnd:
        check(finished_);
        ended_ = true;
        break;
      case Step::Kind::kStart:
        break;
    }
    next_.take(step);
  }

 private:
  chat::Sink& next_;
  std::optional<PartKind> open_;
  bool started_ = false, finished_ = false, ended_ = false;
};

// A client that takes a stream as Anthropic documents it and nothing else.
class StrictClient {
 public:
  void take(const wire::SseEvent& frame) {
    json::PaddedBuffer bytes(frame.data);
    json::Parser parser;
    auto event = parser.parse(bytes.view());
    check(event.has_value() && event->type == json::Type::kObject);
    check(event->find("type") && event->find("type")->is_string(frame.event));
    check(!ended);
    check(started_ != (frame.event == "message_start"));
    started_ = true;
    auto index = [&] { return event->find("index")->as_int().value(); };
    if (frame.event == "content_block_start") {
      check(open_.empty() && !finished_ && index() == blocks_);
      open_ = json::find_in(event->find("content_block")->raw, "type")->as_string().value();
    } else if (frame.event == "content_block_delta") {
      static const std::map<std::string, std::string, std::less<>> kBlockOf = {
          {"text_delta", "text"},
          {"thinking_delta", "thinking"},
          {"signature_delta", "thinking"},
          {"input_json_delta", "tool_use"}};
      std::string type = json::find_in(event->find("delta")->raw, "type")->as_string().value();
      check(index() == blocks_ && kBlockOf.contains(type) && kBlockOf.at(type) == open_);
    } else if (frame.event == "content_block_stop") {
      check(!open_.empty() && index() == blocks_);
      open_.clear();
      ++blocks_;
    } else if (frame.event == "message_delta") {
      check(open_.empty() && !finished_);
      check(json::find_in(event->find("delta")->raw, "stop_reason")->type == json::Type::kString);
      check(json::find_in(event->find("usage")->raw, "output_tokens")->as_int().value() >= 0);
      check(json::find_in(event->find("usage")->raw, "input_tokens")->as_int().value() >= 0);
      finished_ = true;
    } else if (frame.event == "message_stop") {
      check(finished_);
      ended = true;
    } else {
      check(frame.event == "message_start");
    }
  }
  bool ended = false;

 private:
  bool started_ = false, finished_ = false;
  std::string open_;
  int64_t blocks_ = 0;
};

// Both at once, and what was written.
class Both final : public chat::Sink {
 public:
  explicit Both(wire::StreamWriter& writer) : writer_(writer) {}
  void take(const Step& step) override {
    collected.take(step);
    writer_.take(step);
    written += writer_.out;
    writer_.out.clear();
  }
  chat::Collector collected;
  std::string written;

 private:
  wire::StreamWriter& writer_;
};

const wire::AnswerContext kContext{.model = "m", .id = "req_00ff"};

// Feeds the stream in pieces of `piece` bytes, each a block of memory of its own. False: refused.
bool read(std::string_view bytes, size_t piece, chat::Sink& sink) {
  auto reader = wire::anthropic::stream_reader();
  wire::SseFramer framer;
  bool ended = false;
  while (!bytes.empty()) {
    std::vector<char> own(bytes.begin(),
                          bytes.begin() + static_cast<ptrdiff_t>(std::min(piece, bytes.size())));
    bytes.remove_prefix(own.size());
    framer.feed({own.data(), own.size()});
    while (auto frame = framer.next()) {
      if (!frame->has_data) continue;
      auto facts = wire::anthropic::read_event(*frame, true);
      auto result = reader->read(*frame, sink);
      if (result) {
        check(ended || !(facts.malformed || facts.error));  // relay and translation agree what is wrong
        ended = ended || facts.done;
        continue;
      }
      check(result.error().code == weir::ErrorCode::kUpstream && !result.error().reason.empty());
      return false;
    }
  }
  reader->finish(sink);
  return true;
}

StrictClient take_strictly(std::string_view written) {
  StrictClient client;
  wire::SseFramer framer(size_t{1} << 24);
  framer.feed(written);
  while (auto frame = framer.next())
    client.take(*frame);
  check(framer.pending_bytes() == 0);
  return client;
}

std::string arguments(std::string_view text) {
  std::string out;
  wire::anthropic::append_arguments(out, text);
  return out;
}

// The answer as text; `whole`: arguments as a whole answer must write them.
std::string story(const chat::Answer& answer, bool whole) {
  std::string out;
  bool called = false;
  if (answer.choices.empty()) return out;
  const chat::Answer::Choice& choice = answer.choices[0];
  for (const chat::Part& part : choice.parts) {
    bool call = part.kind == PartKind::kToolCall;
    called = called || call;
    out += static_cast<char>('0' + static_cast<int>(part.kind));
    std::string id = call && part.id.empty()             ? "toolu"
                     : part.id.starts_with("toolu_00ff") ? "toolu"
                                                         : part.id;
    for (const std::string& text :
         {id, part.name, call && whole ? arguments(part.text) : part.text, part.data, part.signature})
      json::append_quoted(out, text);
  }
  if (choice.finish) {
    out += wire::anthropic::stop_reason(*choice.finish, called, false);
    if (*choice.finish == chat::Finish::kStopSequence) json::append_quoted(out, choice.stop_sequence);
  }
  return out;
}

void check_stream(std::string_view bytes, size_t piece) {
  auto writer = wire::anthropic::stream_writer(kContext);
  Both both(*writer);
  Order order(both);
  bool ok = read(bytes, bytes.size() + 1, order);

  auto second_writer = wire::anthropic::stream_writer(kContext);
  Both second(*second_writer);
  Order second_order(second);
  check(read(bytes, piece, second_order) == ok && second.written == both.written);

  StrictClient client = take_strictly(both.written);
  const chat::Answer& answer = both.collected.answer;
  check(client.ended == answer.ended);
  if (!answer.ended || !weir::is_utf8(bytes)) return;

  chat::Collector again;
  check(read(both.written, both.written.size(), again));
  check(again.answer.ended && story(again.answer, false) == story(answer, false));

  json::PaddedBuffer body{std::string_view(wire::anthropic::write_answer(kContext, answer))};
  json::Parser parser;
  auto document = parser.parse(body.view());
  chat::Collector whole;
  check(document.has_value() && wire::anthropic::read_answer(*document, whole).has_value());
  check(story(whole.answer, true) == story(answer, true));
}

// ------------------------------------------------------------------------------ events made of decisions

std::string quoted(std::string_view text) {
  std::string out;
  json::append_quoted(out, text);
  return out;
}

std::string made_stream(Choices& choices) {
  constexpr std::string_view kBlocks[] = {R"("text","text":"")",
                                          R"("thinking","thinking":"","signature":"")",
                                          R"("redacted_thinking","data":"ZA")",
                                          R"("tool_use","id":"t","name":"f","input":{})",
                                          R"("tool_use","name":"f","input":{"a":1})",
                                          R"("server_tool_use","id":"s","input":{})",
                                          R"("text","text":"a")",
                                          R"("thinking","signature":"s")"};
  constexpr std::string_view kDeltas[] = {
      R"("text_delta","text":)", R"("input_json_delta","partial_json":)", R"("thinking_delta","thinking":)",
      R"("signature_delta","signature":)", R"("citations_delta","citation":)"};
  constexpr std::string_view kReasons[] = {
      "\"end_turn\"",   "\"tool_use\"", "\"max_tokens\"", "\"stop_sequence\"",
      "\"pause_turn\"", "\"refusal\"",  "\"other\"",      "null"};
  std::string out;
  int index = 0;
  auto event = [&](std::string_view type, const std::string& rest) {
    out += "event: " + std::string(type) + "\ndata: {\"type\":\"" + std::string(type) + "\"" + rest + "}\n\n";
  };
  event("message_start", R"(,"message":{"id":"i","model":"m","usage":{"input_tokens":)" +
                             std::to_string(choices.byte()) + "}}");
  while (!choices.empty()) {
    switch (choices.below(10)) {
      case 0:
      case 1:
        event("content_block_start", R"(,"index":)" + std::to_string(index) + R"(,"content_block":{"type":)" +
                                         std::string(kBlocks[choices.below(8)]) + "}");
        break;
      case 2:
      case 3:
      case 4:
        event("content_block_delta", R"(,"index":)" + std::to_string(index) + R"(,"delta":{"type":)" +
                                         std::string(kDeltas[choices.below(5)]) + quoted(choices.text()) +
                                         "}");
        break;
      case 5:
        event("content_block_stop", R"(,"index":)" + std::to_string(index++));
        break;
      case 6:
        event("message_delta", R"(,"delta":{"stop_reason":)" + std::string(kReasons[choices.below(8)]) +
                                   R"(,"stop_sequence":)" + quoted(choices.text()) +
                                   R"(},"usage":{"output_tokens":)" + std::to_string(choices.byte()) + "}");
        break;
      case 7:
        event("message_stop", "");
        break;
      case 8:
        index += static_cast<int>(choices.below(3)) - 1;
        break;
      default:
        event("ping", "");
        break;
    }
  }
  return out;
}

// ------------------------------------------------------------------------------- steps made of decisions

void check_steps(Choices& choices) {
  auto writer = wire::anthropic::stream_writer(kContext);
  Both both(*writer);
  while (!choices.empty()) {
    Step step;
    weir::exchange::Usage usage;
    step.kind = static_cast<Step::Kind>(choices.below(8));
    step.part = static_cast<PartKind>(choices.below(9));
    step.finish = static_cast<chat::Finish>(choices.below(8));
    step.choice = choices.below(8) == 0 ? 1 : 0;
    step.text = choices.text();
    step.id = choices.text();
    step.name = choices.text();
    usage.input_tokens = choices.byte();
    usage.cached_input_tokens = choices.byte();
    usage.cache_write_tokens = choices.byte();
    step.usage = &usage;
    both.take(step);
  }
  take_strictly(both.written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Choices choices(bytes);
  size_t piece = 1 + data[1] % 64;
  switch (data[0] % 3) {
    case 0:
      check_stream(bytes, piece);
      break;
    case 1:
      check_stream(made_stream(choices), piece);
      break;
    default:
      check_steps(choices);
      break;
  }
  return 0;
}
