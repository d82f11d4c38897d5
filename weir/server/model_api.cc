#include "weir/server/model_api.h"

#include "weir/base/mutation.h"
#include "weir/server/answers.h"
#include "weir/server/body_source.h"
#include "weir/server/caller.h"

namespace weir::server {
namespace {

// Collects events and writes them to the caller's connection. The last one tells the caller that all is well,
// and nobody reads on after it: it is held back until that is certain.
class ResponseStream final : public exchange::AnswerStream {
 public:
  ResponseStream(http::ResponseWriter& response, const exchange::Exchange& exchange)
      : response_(response), exchange_(exchange) {}

  void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override;
  void event(exchange::StreamEvent event) override { (event.last ? last_ : pending_).append(event.raw); }
  io::Task<bool> flush() override {
    if (pending_.empty() || WEIR_MUTATE(kEndlessBuffer)) co_return true;
    // A client that does not read keeps this for long: then without the spare room of its growth.
    if (pending_.size() >= 1024 && pending_.capacity() - pending_.size() > pending_.size() / 4)
      pending_.shrink_to_fit();
    bool ok = co_await response_.write(pending_);
    pending_.clear();
    if (pending_.capacity() > 16 * 1024) pending_.shrink_to_fit();
    co_return ok;
  }
  /// What is still to be written when all went well, and when not.
  std::string_view good_end() { return pending_.append(last_); }
  std::string_view bad_end(std::string_view error_event) { return pending_.append(error_event); }

 private:
  http::ResponseWriter& response_;
  const exchange::Exchange& exchange_;
  std::string pending_;
  std::string last_;
};

void ResponseStream::begin(int status, std::string_view content_type, const OwnedHeaders& headers) {
  if (WEIR_MUTATE(kResendAfterBytes) && response_.started()) return;
  std::vector<Header> all = answer_headers(exchange_, content_type, headers);
  all.push_back({"cache-control", "no-cache"});
  response_.begin(status, all);
}

}  // namespace

io::Task<void> ModelApi::call(std::shared_ptr<Services> services, http::Request& request,
                              http::ResponseWriter& response, const wire::Wire& wire,
                              exchange::Operation operation) {
  MonoTime received = loop_.now();
  Admission::Place place = admission_.enter(received);
  if (!place) {
    co_await refuse(admission_, wire, request, response);
    co_return;
  }
  BodySource source(request, wire, parser_,
                    static_cast<size_t>(services->settings().server.limits.body_bytes));
  exchange::Exchange exchange(loop_, request.cancel, operation, source);
  exchange.dialect = wire.dialect();
  exchange.id = new_request_id(loop_.random());
  exchange.headers = request.head.headers;
  exchange.peer = request.peer;
  exchange.peer_local = is_peer_local(request);
  exchange.timeline.received = received;

  ResponseStream stream(response, exchange);
  Result<void> outcome = co_await services->pipeline().handle(exchange, stream);

  if (!outcome && outcome.error().code == ErrorCode::kCancelled) co_return;  // nobody listens
  if (outcome && !exchange.answer && !response.started())
    outcome = fail_internal(ErrorCode::kInternal, "the pipeline ended without an answer");
  if (!outcome && !response.started()) {
    co_await send_error(response, wire, exchange, outcome.error());
  } else if (!outcome) {
    co_await response.end(stream.bad_end(wire.error_event(outcome.error())));
  } else if (exchange.answer) {
    const exchange::Answer& answer = *exchange.answer;
    co_await response.send(answer.status, answer_headers(exchange, answer.content_type, answer.headers),
                           answer.body);
  } else {
    co_await response.end(stream.good_end());
  }
}

}  // namespace weir::server
