#include <cstdlib>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/responses/responses.h"
#include "weir/wire/wire.h"

namespace weir::wire {

const Wire& wire_of(exchange::Dialect dialect) {
  switch (dialect) {
    case exchange::Dialect::kOpenAi:
      return openai::openai_wire();
    case exchange::Dialect::kResponses:
      return responses::responses_wire();
    case exchange::Dialect::kAnthropic:
      return anthropic::anthropic_wire();
    default:
      break;
  }
  std::abort();  // no such wire yet
}

}  // namespace weir::wire
