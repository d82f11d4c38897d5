#include <cstdlib>

#include "weir/wire/anthropic/anthropic.h"
#include "weir/wire/gemini/gemini.h"
#include "weir/wire/ollama/ollama.h"
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
    case exchange::Dialect::kOllama:
      return ollama::ollama_wire();
    case exchange::Dialect::kGemini:
      return gemini::gemini_wire();
    case exchange::Dialect::kAnthropic:
      return anthropic::anthropic_wire();
  }
  std::abort();  // no such dialect
}

}  // namespace weir::wire
