#include "weir/upstream/degraded.h"

#include "weir/upstream/verdict.h"

namespace weir::upstream {

namespace chat = exchange::chat;

bool degrade(exchange::Exchange& exchange, const Result<void>& outcome, Delivery& delivery) {
  const ModelSettings* settings = exchange.route.settings;
  if (!settings || settings->degraded_text.empty() || delivery.begun()) return false;
  if (exchange.operation != exchange::Operation::kChat || exchange.cancel.requested()) return false;
  const Error* error = error_of(outcome, exchange);
  if (!error) return false;
  int status = outcome && exchange.answer ? exchange.answer->status : http_status(error->code);
  if (status != 429 && status < 500) return false;  // the request's own fault

  chat::Answer said;
  said.id = exchange.id;
  said.model = exchange.request.model;
  chat::Answer::Choice& choice = said.choices.emplace_back();
  choice.parts.emplace_back().text = settings->degraded_text;
  choice.finish = chat::Finish::kStop;
  said.ended = true;

  delivery.drop();
  exchange.outcome.error.reset();
  exchange.outcome.degraded = true;
  wire::AnswerContext context = answer_context(exchange, delivery.caller());
  if (!exchange.request.stream) {
    exchange.answer =
        exchange::Answer{200, "application/json", {}, delivery.caller().write_answer(context, said)};
    return true;
  }
  class Write final : public chat::Sink {
   public:
    explicit Write(Delivery& d) : delivery_(d) {}
    void take(const chat::Step& step) override { delivery_.write(step, true); }

   private:
    Delivery& delivery_;
  } write(delivery);
  exchange.answer.reset();
  http::ResponseHead head;
  head.status = 200;
  delivery.open(head, context, true);
  chat::replay(said, write);
  return true;
}

}  // namespace weir::upstream
