#include "weir/upstream/provider/openai_provider.h"

#include "weir/upstream/provider/openai_call.h"

namespace weir::upstream {

io::Task<Result<void>> OpenAiProvider::call(exchange::Exchange& exchange, const exchange::Target& target,
                                            exchange::AnswerStream& stream, io::Cancel& cancel) {
  return call_openai(endpoint_, parser_, exchange, target, stream, cancel);
}

}  // namespace weir::upstream
