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
  void error_event(std::string_view raw) override { theirs_ = raw; }
  /// What is still to be written when all went well, and when not: the model server's own words before ours.
  std::string_view good_end() { return pending_.append(last_); }
  std::string_view bad_end(std::string_view ours) {
    return pending_.append(theirs_.empty() ? ours : theirs_);
  }

 private:
  http::ResponseWriter& response_;
  const exchange::Exchange& exchange_;
  std::string pending_;
  std::string last_;
  std::string theirs_;
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
  if (place.may_wait()) {
    request.watch();
    place = co_await admission_.wait(request.cancel);
  }
  if (!place) {
    co_await refuse(admission_, place.why(), wire, request, response);
    co_return;
  }
  BodySource source(request, wire, parser_,
                    static_cast<size_t>(services->settings().server.limits.body_bytes));
  exchange::Exchange exchange(loop_, request.cancel, operation, source);
  exchange.dialect = wire.dialect();
  introduce(exchange, request, received);

  ResponseStream stream(response, exchange);
  Result<void> outcome = co_await services->pipeline().handle(exchange, stream);

  if (co_await ended(response, wire, exchange, outcome)) co_return;
  if (outcome) {
    co_await response.end(stream.good_end());
    co_return;
  }
  co_await response.end(stream.bad_end(wire.error_event(outcome.error())));
}

}  // namespace weir::server
