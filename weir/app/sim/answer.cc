#include "weir/app/sim/answer.h"

#include <fmt/format.h>

#include <charconv>

#include "weir/app/mock/server.h"
#include "weir/base/header.h"
#include "weir/base/json.h"

namespace weir::app::sim {
namespace {

constexpr std::string_view kChunkBegin =
    R"({"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock-chat","choices":[)";
constexpr std::string_view kCompletionBegin =
    R"({"id":"cmpl-mock","object":"text_completion","created":1700000000,"model":"mock-chat","choices":[)";

// What stands between `before` and the next quote.
std::string_view quoted_after(std::string_view text, std::string_view before) {
  size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find('"'));
}

std::string_view header(std::string_view head, std::string_view name) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos && at + 2 < head.size();) {
    size_t end = head.find("\r\n", at + 2);
    std::string_view line = head.substr(at + 2, end - at - 2);
    size_t colon = line.find(": ");
    if (colon != std::string_view::npos && iequals(line.substr(0, colon), name))
      return line.substr(colon + 2);
    at = end;
  }
  return {};
}

}  // namespace

void AnswerReader::take(std::string& bytes) {
  while (!complete_ && wrong_.empty() && !bytes.empty()) {
    if (!head_seen()) {
      if (!take_head(bytes)) return;
    } else if (framing_ == Framing::kChunked) {
      if (!take_chunk(bytes)) return;
    } else {
      size_t n = framing_ == Framing::kLength ? std::min(left_, bytes.size()) : bytes.size();
      payload(std::string_view(bytes).substr(0, n));
      bytes.erase(0, n);
      left_ -= framing_ == Framing::kLength ? n : 0;
      if (framing_ == Framing::kLength && left_ == 0) end();
    }
  }
}

bool AnswerReader::take_head(std::string& bytes) {
  size_t size = bytes.find("\r\n\r\n");
  if (size == std::string::npos) return false;
  std::string head = bytes.substr(0, size + 2);
  bytes.erase(0, size + 4);
  if (!head.starts_with("HTTP/1.1 ")) {
    say(fmt::format("an answer begins with '{}'", head.substr(0, 40)));
    return false;
  }
  int status = std::atoi(head.substr(9, 3).c_str());
  if (status == 100) return true;
  status_ = status;
  request_id_ = header(head, "x-weir-request-id");
  closes_ = header(head, "connection") == "close";
  event_stream_ = header(head, "content-type") == "text/event-stream";
  if (std::string_view length = header(head, "content-length"); !length.empty()) {
    std::from_chars(length.data(), length.data() + length.size(), left_);
    if (left_ == 0) end();
  } else if (header(head, "transfer-encoding") == "chunked") {
    framing_ = Framing::kChunked;
  } else {
    framing_ = Framing::kUntilClose;
  }
  if (event_stream_ && ask_ && !ask_->stream) say("an event stream to a request that did not ask for one");
  return true;
}

bool AnswerReader::take_chunk(std::string& bytes) {
  size_t line = bytes.find("\r\n");
  if (line == std::string::npos) return false;
  size_t size = 0;
  auto [at, error] = std::from_chars(bytes.data(), bytes.data() + line, size, 16);
  if (error != std::errc() || at != bytes.data() + line) {
    say("a chunk without a size");
    return false;
  }
  if (bytes.size() < line + 2 + size + 2) return false;
  if (std::string_view(bytes).substr(line + 2 + size, 2) != "\r\n")
    say("a chunk that is longer than its size");
  payload(std::string_view(bytes).substr(line + 2, size));
  bytes.erase(0, line + 2 + size + 2);
  if (size == 0) end();
  return true;
}

void AnswerReader::payload(std::string_view bytes) {
  if (!event_stream_) {
    body_ += bytes;
    return;
  }
  events_ += bytes;
  size_t begin = 0;
  for (size_t at; (at = events_.find("\n\n", begin)) != std::string::npos; begin = at + 2)
    event(std::string_view(events_).substr(begin, at - begin));
  events_.erase(0, begin);
}

void AnswerReader::event(std::string_view event) {
  if (event.starts_with(": goes on with model-")) {  // weir's own: another model server has the rest
    if (words_ == 0 && !finished_) say("goes on with nothing");
    ++continuations_;
    return;
  }
  if (!event.starts_with("data: ")) return say(fmt::format("not an event: '{}'", event.substr(0, 60)));
  if (done_) return say("an event after [DONE]");
  if (!error_.empty()) return say("an event after an error event");
  event.remove_prefix(6);
  if (event == "[DONE]") {
    done_ = true;
    if (!finished_) say("[DONE] without a finish_reason");
    return;
  }
  if (event.starts_with(R"({"error":{)")) {
    error_ = quoted_after(event, R"("code":")");
    if (error_.empty()) say("an error event without a code");
    return;
  }
  if (!ask_) return;
  bool completion = ask_->kind == Ask::Kind::kCompletion;
  if (!event.starts_with(completion ? kCompletionBegin : kChunkBegin) || !event.ends_with("}"))
    return say(fmt::format("not the model server's event: '{}'", event.substr(0, 90)));
  bool has_usage = event.find(R"("usage":{)") != std::string_view::npos;
  if (has_usage && !ask_->usage_wanted) say("usage that nobody asked for");
  if (event.find(R"("choices":[])") != std::string_view::npos) return;
  if (event.find(R"("role":"assistant","content":"")") != std::string_view::npos) {
    if (words_ > 0 || finished_) say("the answer's beginning, behind its words");
    return;
  }
  if (event.find(R"("finish_reason":"stop")") != std::string_view::npos) {
    if (finished_) say("a second finish_reason");
    finished_ = true;
    if (words_ != ask_->words) say(fmt::format("finished after {} of {} words", words_, ask_->words));
    return;
  }
  if (finished_) say("a word after the finish_reason");
  std::string_view word = quoted_after(event, completion ? R"("text":")" : R"("content":")");
  if (words_ >= ask_->words || word != mock_word(ask_->tag, words_, ask_->word_bytes))
    say(fmt::format("word {} is '{}', not '{}'", words_, word.substr(0, 40),
                    mock_word(ask_->tag, words_, 0)));
  ++words_;
}

void AnswerReader::end() {
  complete_ = true;
  if (!events_.empty()) say(fmt::format("the stream ends inside an event: '{}'", events_.substr(0, 60)));
  if (event_stream_) return;
  if (status_ >= 400)
    check_error();
  else if (ask_)
    check_whole();
}

void AnswerReader::check_whole() {
  json::Parser parser;
  json::PaddedBuffer padded(body_);
  if (!parser.parse(padded.view())) return say("a whole answer that is not JSON");
  if (ask_->kind == Ask::Kind::kEmbedding) {
    if (body_.find(R"("index":1,"embedding")") == std::string::npos) say("an embedding is missing");
    words_ = ask_->words;
    return;
  }
  std::string text;
  for (int64_t i = 0; i < ask_->words; ++i)
    text += mock_word(ask_->tag, i, ask_->word_bytes);
  std::string_view got =
      quoted_after(body_, ask_->kind == Ask::Kind::kCompletion ? R"("text":")" : R"("content":")");
  if (got != text) return say(fmt::format("a whole answer of other text: '{}'", got.substr(0, 60)));
  words_ = ask_->words;
  finished_ = true;
}

// {"error":{"message":...,"type":...,"param":...,"code":...}}, the dialect's only form.
void AnswerReader::check_error() {
  json::Parser parser;
  json::PaddedBuffer padded(body_);
  auto document = parser.parse(padded.view());
  const json::Value* error = document ? document->find("error") : nullptr;
  if (!error || error->type != json::Type::kObject || !json::find_in(error->raw, "message") ||
      !json::find_in(error->raw, "type") || !json::find_in(error->raw, "param"))
    return say(fmt::format("status {} without an error of the dialect: '{}'", status_, body_.substr(0, 80)));
  error_ = quoted_after(error->raw, R"("code":")");
}

}  // namespace weir::app::sim
