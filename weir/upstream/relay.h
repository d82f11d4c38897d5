// Relay: one model server's answer, event by event, on its way into a Delivery: as it stands when both speak
// one dialect, through canonical steps otherwise, and joined to what was sent when it goes on with another's.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "weir/upstream/continuation.h"
#include "weir/upstream/model_call.h"

namespace weir::upstream {

class Relay final : public exchange::chat::Sink {
 public:
  Relay(ModelCall& model, const http::ResponseHead& head);

  bool begun() const { return delivery_.begun(); }
  bool token_seen() const { return token_seen_; }
  bool done() const { return done_; }
  bool whole() const { return done_ || unfinished_ <= 0; }

  /// Did an event with data come since the last call? (Comments keep no timer alive.)
  bool take_progress() { return std::exchange(progressed_, false); }
  bool progressed() const { return progressed_; }

  /// One event. Errors: as Provider::call.
  Result<void> take(const wire::StreamFrame& frame);
  /// The body is over.
  Result<void> finish();
  /// A whole answer's steps come here, too.
  void take(const exchange::chat::Step& step) override;
  /// Errors: it goes on with another's answer, and says something else.
  Result<void> check() const;
  /// An end that no model server sent: the mutation kInventedDone.
  void invent_end() { delivery_.relay({"data: [DONE]\n\n", "[DONE]", true}, true); }

 private:
  // What a continuation lets through.
  struct Onward final : exchange::chat::Sink {
    explicit Onward(Relay& r) : relay(r) {}
    void take(const exchange::chat::Step& step) override { relay.deliver(step); }
    Relay& relay;
  };
  Result<void> relay(const wire::StreamFrame& frame);
  void observe(const wire::StreamFrame& frame);
  void deliver(const exchange::chat::Step& step);
  void use(const exchange::Usage& usage);
  void note_token();
  bool release() const;

  ModelCall& model_;
  exchange::Exchange& exchange_;
  Delivery& delivery_;
  std::unique_ptr<wire::StreamReader> reader_;    // of what is not relayed as bytes
  std::unique_ptr<wire::StreamReader> observer_;  // of what is, where a transcript is kept
  Onward onward_{*this};
  std::optional<Continuation> continuation_;
  const int64_t shown_;  // tokens, about, of the text so far in the request
  int64_t unfinished_;   // choices without their finish reason
  MonoTime first_output_;
  bool token_seen_ = false;
  bool progressed_ = false;
  bool done_ = false;  // the last event came
};

}  // namespace weir::upstream
