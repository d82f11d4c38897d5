// Stage: one step of the pipeline. before() runs on the way down, after() on the way back up in reverse order
// for every stage whose before() was entered, whatever happened below. A stage keeps no state of a request
// (that is on the Exchange) and includes no other stage. One instance a core.
#pragma once

#include <string_view>

#include "weir/exchange/answer_stream.h"
#include "weir/exchange/exchange.h"

namespace weir::exchange {

/// Sees each event of a streamed answer, in order, before it is relayed.
class Tap {
 public:
  /// Clearing event.raw takes the event out of the stream; pointing it elsewhere replaces it (bytes valid
  /// until the next call).
  virtual void on_event(Exchange& exchange, StreamEvent& event) = 0;

 protected:
  ~Tap() = default;
};

class Stage {
 public:
  enum class Flow : uint8_t {
    kOn,        // go on downwards
    kAnswered,  // Exchange::answer is set; what stands below is skipped
  };

  virtual ~Stage() = default;
  virtual std::string_view name() const = 0;
  virtual io::Task<Result<Flow>> before(Exchange& exchange) = 0;
  /// Exchange::outcome and ::answer are set. Must not fail.
  virtual void after(Exchange&) {}
  /// nullptr: this stage does not look at streams.
  virtual Tap* tap() { return nullptr; }
};

}  // namespace weir::exchange
