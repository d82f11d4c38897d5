#include "weir/upstream/delivery.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/mutation.h"
#include "weir/upstream/endpoint.h"

namespace weir::upstream {

namespace chat = exchange::chat;

namespace {

constexpr size_t kHeldBytesMax = 64 << 10;  // of events before the first output

}  // namespace

exchange::Usage sum(const exchange::Usage& a, const exchange::Usage& b) {
  auto plus = [](const std::optional<int64_t>& x, const std::optional<int64_t>& y) -> std::optional<int64_t> {
    if (!x && !y) return std::nullopt;
    return x.value_or(0) + y.value_or(0);
  };
  return {plus(a.input_tokens, b.input_tokens),
          plus(a.output_tokens, b.output_tokens),
          plus(a.cached_input_tokens, b.cached_input_tokens),
          plus(a.cache_write_tokens, b.cache_write_tokens),
          plus(a.cache_write_1h_tokens, b.cache_write_1h_tokens),
          plus(a.input_audio_tokens, b.input_audio_tokens),
          plus(a.input_image_tokens, b.input_image_tokens),
          plus(a.output_audio_tokens, b.output_audio_tokens),
          plus(a.reasoning_tokens, b.reasoning_tokens)};
}

wire::AnswerContext answer_context(const exchange::Exchange& exchange, const wire::Wire& caller,
                                   const Delivery* delivery) {
  const exchange::ModelRequest& request = exchange.request;
  WallTime now = exchange.loop.wall_now();
  wire::AnswerContext context;
  context.operation = exchange.operation;
  context.model = request.model;
  context.id = exchange.id;
  context.created_s = now.unix_s();
  context.created_ns = now.unix_ns % 1'000'000'000;
  context.usage_wanted = request.usage_wanted;
  context.echo = caller.echo(request);
  if (!delivery || !delivery->begun()) return context;
  const Transcript& so_far = delivery->transcript();
  context.known_id = so_far.id();
  if (!so_far.model().empty()) context.model = so_far.model();
  if (so_far.created_s > 0) context.created_s = so_far.created_s;
  return context;
}

Delivery::Delivery(exchange::Exchange& exchange, exchange::AnswerStream& stream, bool keeps)
    : exchange_(exchange), stream_(stream), caller_(wire::wire_of(exchange.dialect)), keeps_(keeps) {}

void Delivery::drop() {
  held_bytes_.clear();
  held_.clear();
  writer_.reset();
  transcript_.clear();
  call_ = {};
  exchange_.usage = {};
}

void Delivery::spend() {
  if (!call_.output_tokens) {
    // Never reported: about a token a piece.
    call_.output_tokens = transcript_.pieces() - counted_pieces_;
    exchange_.outcome.usage_estimated = true;
  }
  if (!call_.input_tokens) exchange_.outcome.usage_estimated = true;
  counted_pieces_ = transcript_.pieces();
  exchange::Outcome& outcome = exchange_.outcome;
  if (outcome.begun_by.empty())
    outcome.begun_by = fmt::format("{} {}", outcome.provider, outcome.provider_model);
  exchange_.spent.push_back({exchange_.outcome.provider, exchange_.outcome.provider_model, call_});
  spent_ = sum(spent_, call_);
  spent_any_ = true;
  call_ = {};
  exchange_.usage = spent_;
}

void Delivery::use(const exchange::Usage& usage, int64_t shown) {
  call_.merge(usage);
  if (!spent_any_) {
    exchange_.usage = call_;
    return;
  }
  exchange_.usage = sum(spent_, call_);
  // Who broke off did not say what it had read: what this one read, without the text so far.
  if (spent_.input_tokens || !call_.input_tokens) return;
  int64_t read = std::max<int64_t>(*call_.input_tokens - shown, 0);
  *exchange_.usage.input_tokens += read;
  exchange_.spent.front().usage.input_tokens = read;
}

void Delivery::open(const http::ResponseHead& head, const wire::AnswerContext& context, bool translated) {
  head_ = &head;
  if (begun_ && caller_.stream_content_type() == "text/event-stream")
    stream_.event({fmt::format(": goes on with {} {}\n\n", exchange_.outcome.provider,
                               exchange_.outcome.provider_model),
                   {}});
  if (writer_ || !(translated || begun_)) return;
  writer_ = caller_.stream_writer(context);
  if (!begun_) return;
  transcript_.replay(*writer_);  // the caller has it: from there on
  writer_->out.clear();
}

void Delivery::begin() {
  begun_ = true;
  exchange_.outcome.streamed = true;
  exchange_.outcome.status = head_->status;
  stream_.begin(head_->status, caller_.stream_content_type(), passed_answer_headers(head_->headers));
  if (!keeps_ && !WEIR_MUTATE(kResendAfterBytes)) exchange_.request.let_go();
  std::string_view bytes = held_bytes_;
  for (const Held& held : held_) {
    deliver({bytes.substr(0, held.bytes), bytes.substr(held.data_at, held.data_bytes)});
    bytes.remove_prefix(held.bytes);
  }
  std::string().swap(held_bytes_);
  std::vector<Held>().swap(held_);
}

void Delivery::deliver(exchange::StreamEvent event) {
  if (writer_ || !event.data.empty()) ++exchange_.outcome.events;
  exchange_.outcome.answer_bytes += event.raw.size();
  stream_.event(event);
}

void Delivery::pass(exchange::StreamEvent event, bool release) {
  if (!begun_) {
    if (!release && held_bytes_.size() + event.raw.size() <= kHeldBytesMax) {
      size_t data_at = event.data.empty() ? 0 : static_cast<size_t>(event.data.data() - event.raw.data());
      held_.push_back({event.raw.size(), data_at, event.data.size()});
      held_bytes_.append(event.raw);
      return;
    }
    begin();
  }
  deliver(event);
}

void Delivery::relay(exchange::StreamEvent event, bool release) {
  // A comment alone begins nothing.
  if (event.data.empty() && !begun_ && held_.empty()) return;
  pass(event, release);
}

void Delivery::write(const chat::Step& step, bool release) {
  if (keeps_) transcript_.take(step);
  writer_->elapsed_ns = (exchange_.loop.recent() - exchange_.timeline.received).count();
  if (step.kind == chat::Step::Kind::kUsage) {
    chat::Step all = step;
    all.usage = &exchange_.usage;
    writer_->take(all);
  } else {
    writer_->take(step);
  }
  if (writer_->out.empty()) return;
  pass({writer_->out, {}, step.kind == chat::Step::Kind::kEnd}, release);
  writer_->out.clear();
}

}  // namespace weir::upstream
