#include "weir/upstream/hedge.h"

namespace weir::upstream {

Hedge::Hedge(exchange::Exchange& exchange, exchange::AnswerStream& stream, io::Cancel& scope)
    : exchange_(exchange), stream_(stream), first_scope_(scope), second_scope_(scope) {}

void Hedge::open_second() {
  exchange::Exchange& copy =
      copy_.emplace(exchange_.loop, second_scope_, exchange_.operation, exchange_.source);
  copy.dialect = exchange_.dialect;
  copy.id = exchange_.id;
  copy.headers = exchange_.headers;
  copy.peer = exchange_.peer;
  copy.peer_local = exchange_.peer_local;
  copy.principal = exchange_.principal;
  copy.tags = exchange_.tags;
  const exchange::ModelRequest& asked = exchange_.request;
  copy.request.document = asked.document;
  copy.request.body_bytes = asked.body_bytes;
  copy.request.model = asked.model;
  copy.request.stream = asked.stream;
  copy.request.stored = asked.stored;
  copy.request.previous_response_id = asked.previous_response_id;
  copy.request.usage_wanted = asked.usage_wanted;
  copy.route = exchange_.route;
  copy.timeline = exchange_.timeline;
  copy.outcome.attempts = exchange_.outcome.attempts;
  delivery_.emplace(copy, second_, true);
}

// Ending the other resumes it here and now: it unwinds inside this call.
void Hedge::claim(Side side) {
  if (winner_ != kNobody) return;
  winner_ = side;
  scope(side == kFirst ? kSecond : kFirst).request(io::CancelReason::kAbandoned);
  changed_.notify();
}

void Hedge::adopt() {
  exchange::Exchange& copy = *copy_;
  exchange_.outcome = std::move(copy.outcome);
  exchange_.answer = std::move(copy.answer);
  exchange_.usage = copy.usage;
  exchange_.spent = std::move(copy.spent);
  exchange_.lossy = std::move(copy.lossy);
  exchange_.timeline = copy.timeline;
}

void Hedge::Gate::begin(int status, std::string_view content_type, const OwnedHeaders& headers) {
  hedge_.claim(side_);
  if (hedge_.winner_ == side_) hedge_.stream_.begin(status, content_type, headers);
}

// Taps above read the caller's exchange.
void Hedge::Gate::event(exchange::StreamEvent event) {
  if (hedge_.winner_ != side_) return;
  if (side_ == kSecond) hedge_.exchange_.usage = hedge_.copy_->usage;
  hedge_.stream_.event(event);
}

io::Task<bool> Hedge::Gate::flush() {
  if (hedge_.winner_ != side_) co_return hedge_.winner_ == kNobody;
  co_return co_await hedge_.stream_.flush();
}

}  // namespace weir::upstream
