#include "weir/upstream/relay.h"

#include "weir/base/mutation.h"
#include "weir/base/utf8.h"
#include "weir/upstream/upstream_error.h"

namespace weir::upstream {

namespace chat = exchange::chat;
using chat::Step;

namespace {

// Is an error event of the shape that its dialect's clients know? Some servers have one of their own, which a
// client would take for a piece of the answer.
bool is_of_its_dialect(std::string_view data, exchange::Dialect dialect) {
  if (dialect == exchange::Dialect::kResponses) return true;  // known by its type
  auto error = json::find_in(data, "error");
  json::Type wanted = dialect == exchange::Dialect::kOllama ? json::Type::kString : json::Type::kObject;
  return error && error->type == wanted;
}

}  // namespace

Relay::Relay(ModelCall& model, const http::ResponseHead& head)
    : model_(model),
      exchange_(model.exchange),
      delivery_(model.delivery),
      shown_(model.ask == Ask::kPrefill || model.ask == Ask::kGoOn ? delivery_.transcript().pieces() : 0),
      unfinished_(model.choices) {
  bool goes_on = delivery_.begun() && !WEIR_MUTATE(kResendAfterBytes);
  if (model.translated() || goes_on)
    reader_ = model.wire.stream_reader();
  else if (delivery_.keeps() && model.wire.dialect() != exchange::Dialect::kResponses)
    observer_ = model.wire.stream_reader();
  else  // the ids in Responses' events are of one account: nobody else can go on with them
    delivery_.transcript().lose_track();
  if (goes_on) continuation_.emplace(model.ask, delivery_.transcript(), onward_);
  delivery_.open(head, model.context, model.translated());
}

void Relay::note_token() {
  if (token_seen_) return;
  token_seen_ = true;
  first_output_ = exchange_.loop.now();
  model_.call.output(first_output_);
  if (exchange_.timeline.first_token.ns == 0) exchange_.timeline.first_token = first_output_;
}

bool Relay::release() const {
  if (whole()) return true;
  if (!token_seen_) return false;
  Duration hold = exchange_.route.settings ? Duration(exchange_.route.settings->hold) : Duration{};
  return hold == Duration{} || exchange_.loop.recent() - first_output_ >= hold;
}

void Relay::use(const exchange::Usage& usage) {
  delivery_.use(usage, shown_);
}

void Relay::deliver(const Step& step) {
  delivery_.write(step, release());
}

void Relay::take(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kOpen:
      if (step.part == chat::PartKind::kToolCall) note_token();
      break;
    case Step::Kind::kText:
      note_token();
      break;
    case Step::Kind::kUsage:
      use(*step.usage);
      break;
    case Step::Kind::kFinish:
      --unfinished_;
      break;
    case Step::Kind::kEnd:
      done_ = true;
      break;
    default:
      break;
  }
  if (continuation_)
    continuation_->take(step);
  else
    deliver(step);
}

Result<void> Relay::check() const {
  if (!continuation_ || !continuation_->diverged()) return {};
  return Unexpected(upstream_error("stream_cut", "went on with another answer than the one begun", true));
}

// What a relayed event says, for whoever may have to go on.
void Relay::observe(const wire::StreamFrame& frame) {
  Transcript& transcript = delivery_.transcript();
  if (transcript.created_s == 0)
    if (auto created = json::find_in(frame.data, "created"))
      transcript.created_s = created->as_int().value_or(0);
  bool lost = !observer_->read(frame, transcript);
  // A block of a kind that has no steps: what follows it would get a wrong number.
  bool opens = model_.wire.dialect() == exchange::Dialect::kAnthropic &&
               frame.data.contains(R"("content_block_start")");
  if (!lost && (!opens || transcript.open())) return;
  transcript.lose_track();
  observer_.reset();
}

Result<void> Relay::relay(const wire::StreamFrame& frame) {
  wire::EventFacts facts = model_.wire.read_event(frame, !token_seen_);
  if (facts.malformed)
    return Unexpected(upstream_error("malformed_response", "sent an event that is not JSON", true));
  progressed_ = true;
  if (facts.usage) use(*facts.usage);
  if (facts.has_output) note_token();
  if (facts.error) {
    Error e = upstream_error("upstream_error_event", "sent an error event", true);
    e.safe = "The model server failed: " + model_.wire.event_error_text(frame);
    if (is_of_its_dialect(frame.data, model_.wire.dialect())) {
      bool is_body = model_.wire.dialect() != exchange::Dialect::kResponses;
      delivery_.error_event = {std::string(frame.raw), std::string(is_body ? frame.data : "")};
    }
    return Unexpected(std::move(e));
  }
  if (observer_) observe(frame);
  done_ = done_ || facts.done;
  unfinished_ -= facts.finished;
  bool hide_usage = facts.usage_value && !exchange_.request.usage_wanted;
  // The event exists only because we asked for it. (One with a null usage does not: Azure's first.)
  if (hide_usage && facts.choices_empty && facts.usage) return {};
  if (hide_usage) {
    std::string without = model_.wire.without_usage(frame);
    delivery_.relay({without, std::string_view(without).substr(6, without.size() - 8), facts.done},
                    release());
  } else {
    delivery_.relay({frame.raw, frame.data, facts.done}, release());
  }
  return {};
}

Result<void> Relay::take(const wire::StreamFrame& frame) {
  if (!is_utf8(frame.raw))  // the callers' libraries would break off without a word
    return Unexpected(upstream_error("malformed_response", "sent an event that is not UTF-8", true));
  if (frame.data.empty()) {  // a comment, or a heartbeat of empty data, which dispatches nothing
    if (!done_ && !reader_) delivery_.relay({frame.raw, {}}, release());
    return {};
  }
  if (done_) return {};  // nothing counts after the last event
  if (!reader_) return relay(frame);
  progressed_ = true;
  auto read = reader_->read(frame, *this);
  if (!read) {
    read.error().retryable = true;
    if (read.error().reason == "upstream_error_event")
      read.error().safe = "The model server failed: " + read.error().safe;
    return read;
  }
  return check();
}

Result<void> Relay::finish() {
  if (reader_ && !done_) reader_->finish(*this);
  return check();
}

}  // namespace weir::upstream
