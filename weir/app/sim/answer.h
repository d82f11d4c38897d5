// AnswerReader: a client's own reading of HTTP/1.1 answers and of their event streams, framing and events by
// a few lines that share nothing with the product's parsers, so that what is tested does not judge itself. It
// checks as it reads: the words come in order, each once, as the request alone foretells; nothing follows the
// end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/app/sim/ask.h"

namespace weir::app::sim {

class AnswerReader {
 public:
  explicit AnswerReader(const Ask* ask) : ask_(ask) {}  // nullptr: any answer, its text is not looked at

  /// Takes what belongs to this answer from the front of `bytes`.
  void take(std::string& bytes);

  bool head_seen() const { return status_ != 0; }
  bool complete() const { return complete_; }  // the framing says so
  int status() const { return status_; }
  bool event_stream() const { return event_stream_; }
  bool closes() const { return closes_; }
  const std::string& request_id() const { return request_id_; }  // x-weir-request-id
  const std::string& body() const { return body_; }              // of what is no event stream

  int64_t words() const { return words_; }
  bool finished() const { return finished_; }  // finish_reason came
  bool done() const { return done_; }          // [DONE] came
  int continuations() const { return continuations_; }
  const std::string& error() const { return error_; }  // the code of an error event or of an error body
  /// What must not be, the first of it; empty: nothing so far.
  const std::string& wrong() const { return wrong_; }

 private:
  enum class Framing : uint8_t { kLength, kChunked, kUntilClose };
  bool take_head(std::string& bytes);
  bool take_chunk(std::string& bytes);
  void payload(std::string_view bytes);
  void event(std::string_view event);
  void end();
  void check_whole();
  void check_error();
  void say(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  const Ask* ask_;
  int status_ = 0;
  Framing framing_ = Framing::kLength;
  size_t left_ = 0;
  bool event_stream_ = false;
  bool closes_ = false;
  bool complete_ = false;
  std::string request_id_;
  std::string body_;
  std::string events_;  // an unfinished one
  int64_t words_ = 0;
  int continuations_ = 0;
  bool finished_ = false;
  bool done_ = false;
  std::string error_;
  std::string wrong_;
};

}  // namespace weir::app::sim
