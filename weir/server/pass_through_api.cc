#include "weir/server/pass_through_api.h"

#include <algorithm>
#include <string>

#include "weir/server/answers.h"
#include "weir/server/caller.h"
#include "weir/server/passed_source.h"

namespace weir::server {
namespace {

// Hands pieces to the caller's connection; the last one waits for the record.
class PieceStream final : public exchange::AnswerStream {
 public:
  PieceStream(http::ResponseWriter& response, const exchange::Exchange& exchange)
      : response_(response), exchange_(exchange) {}

  void begin(int status, std::string_view content_type, const OwnedHeaders& headers) override {
    response_.begin(status, answer_headers(exchange_, content_type, headers));
  }
  void event(exchange::StreamEvent event) override { pending_.append(event.raw); }
  io::Task<bool> flush() override {
    bool ok = co_await response_.write(pending_);
    pending_.clear();
    co_return ok;
  }
  std::string_view rest() const { return pending_; }

 private:
  http::ResponseWriter& response_;
  const exchange::Exchange& exchange_;
  std::string pending_;
};

}  // namespace

bool PassThroughApi::offered(const Settings& settings, const PassedPath& found, bool anthropic) {
  return std::ranges::any_of(settings.providers, [&](const ProviderSettings& p) {
    return p.passthrough.has(found.api) && (p.kind == ProviderKind::kAnthropic) == anthropic;
  });
}

io::Task<void> PassThroughApi::call(std::shared_ptr<Services> services, http::Request& request,
                                    http::ResponseWriter& response, PassedApi api, bool anthropic) {
  exchange::Dialect dialect = anthropic ? exchange::Dialect::kAnthropic : exchange::Dialect::kOpenAi;
  const wire::Wire& wire = wire::wire_of(dialect);
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
  const http::RequestHead& head = request.head;
  PassedSource source(request, api, parser_, services->settings().server.limits);
  exchange::PassThrough pass{
      api, head.method, head.path, head.query, head.chunked || head.content_length.value_or(0) > 0, source};
  exchange::Exchange exchange(loop_, request.cancel, exchange::Operation::kPassThrough, source);
  exchange.pass = &pass;
  exchange.dialect = dialect;
  introduce(exchange, request, received);

  PieceStream stream(response, exchange);
  Result<void> outcome = co_await services->pipeline().handle(exchange, stream);

  if (co_await ended(response, wire, exchange, outcome)) co_return;
  if (!outcome) co_return;  // the connection is closed: a cut, never a file that looks whole
  co_await response.end(stream.rest());
}

}  // namespace weir::server
