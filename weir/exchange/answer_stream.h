// AnswerStream: where a streamed answer is pushed, event by event, from the provider through the pipeline's
// taps to the caller's connection. Every method answers false once the caller is gone: then only return.
#pragma once

#include <string_view>

#include "weir/base/header.h"
#include "weir/io/task.h"

namespace weir::exchange {

/// One event of a stream, in the dialect the caller speaks. Borrowed for the call.
struct StreamEvent {
  std::string_view raw;   // all its bytes, framing included: what is relayed
  std::string_view data;  // its payload: JSON, or "[DONE]"; empty for comments and translated events
  bool last = false;      // tells the caller that the answer is whole: held back until all is well
};

class AnswerStream {
 public:
  /// Announces a streamed answer; its head goes out with the first bytes. From here on no status can change.
  virtual void begin(int status, std::string_view content_type, const OwnedHeaders& headers) = 0;
  /// Takes one event (copies it).
  virtual void event(StreamEvent event) = 0;
  /// How the model server itself said that the stream fails, in the dialect the caller speaks: if it does end
  /// badly, it ends with this event. Borrowed for the call.
  virtual void error_event(std::string_view /*raw*/) {}
  /// Sends the events taken so far. False: the caller is gone, only return. The answer's last events are
  /// better left unflushed: the server sends them with the end of the message after every stage's after()
  /// ran, so a caller that saw the end can rely on the record.
  virtual io::Task<bool> flush() = 0;

 protected:
  ~AnswerStream() = default;
};

}  // namespace weir::exchange
