// Delivery: an answer on its way to its caller, from as many model servers as it takes.
//
// A stream is held back until the model's first output (and for the route's hold time after it): until then
// an error is an error, not a broken stream, and the next target begins afresh. Once it has begun nothing can
// be taken back. Where another target may go on with it, what was sent is kept as a transcript, and the
// rest is written by the caller's own dialect from the point that was reached, be it that the first part was
// relayed as bytes or written, too.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"
#include "weir/http/client.h"
#include "weir/upstream/transcript.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

/// The sum of what two calls used.
exchange::Usage sum(const exchange::Usage& a, const exchange::Usage& b);

class Delivery;

/// What the caller's dialect must know to write an answer; with a `delivery` that has begun, the rest of one.
wire::AnswerContext answer_context(const exchange::Exchange& exchange, const wire::Wire& caller,
                                   const Delivery* delivery = nullptr);

class Delivery final {
 public:
  /// `keeps`: another target may go on with a stream that breaks off.
  Delivery(exchange::Exchange& exchange, exchange::AnswerStream& stream, bool keeps);

  bool begun() const { return begun_; }
  bool keeps() const { return keeps_; }
  const Transcript& transcript() const { return transcript_; }
  Transcript& transcript() { return transcript_; }
  const wire::Wire& caller() const { return caller_; }
  /// Of what passes uninterpreted.
  exchange::AnswerStream& stream() { return stream_; }

  /// With which the model server asked last ended the stream, if it did so in the caller's dialect: the event
  /// as it came, and what of it is an error's body by itself.
  struct ErrorEvent {
    std::string raw, body;
  };
  ErrorEvent error_event;

  // ---- between two attempts

  /// Nothing reached the caller yet: forgets what was held back.
  void drop();
  /// The stream broke off: what it used is spent, as far as it is known.
  void spend();
  /// The answer is over. What the last of several calls used and did not tell is estimated, too.
  void settle() {
    if (spent_any_ && !call_.output_tokens) spend();
  }

  // ---- an attempt

  /// An answer begins to come. `head` stays valid while it does.
  void open(const http::ResponseHead& head, const wire::AnswerContext& context, bool translated);
  /// One event as it stands. `release`: it need not be held back.
  void relay(exchange::StreamEvent event, bool release);
  /// One step, written in the caller's dialect.
  void write(const exchange::chat::Step& step, bool release);
  /// Some of what a call used: the last word counts, on top of what others spent. `shown`: tokens, about, of
  /// the text so far that it was given to read.
  void use(const exchange::Usage& usage, int64_t shown);
  io::Task<bool> flush() { return stream_.flush(); }

 private:
  struct Held {
    size_t bytes, data_at, data_bytes;
  };
  void begin();
  void pass(exchange::StreamEvent event, bool release);
  void deliver(exchange::StreamEvent event);

  exchange::Exchange& exchange_;
  exchange::AnswerStream& stream_;
  const wire::Wire& caller_;
  const bool keeps_;
  const http::ResponseHead* head_ = nullptr;
  bool begun_ = false;
  std::unique_ptr<wire::StreamWriter> writer_;  // of a translation, or of what goes on
  Transcript transcript_;                       // with keeps_
  std::string held_bytes_;
  std::vector<Held> held_;
  exchange::Usage call_;   // of this call
  exchange::Usage spent_;  // by calls that broke off
  bool spent_any_ = false;
  int64_t counted_pieces_ = 0;  // of the transcript: those of calls that broke off
};

}  // namespace weir::upstream
