#include "weir/pipeline/price/price_stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/money.h"

namespace weir::pipeline {
namespace {

// A model server that was left, or that broke off, does not tell what it used; it is paid for all the same.
// Of a stream that is about a token an event; of a whole answer nobody saw it is what a fast server says in
// the time; the input is four bytes a token.
void estimate_what_was_not_told(exchange::Exchange& x) {
  constexpr int64_t kBytesAToken = 4, kTokensASecond = 100;
  const exchange::Outcome& o = x.outcome;
  bool left = o.cancelled != io::CancelReason::kNone;
  bool talks = x.operation == exchange::Operation::kChat || x.operation == exchange::Operation::kCompletion;
  bool open = o.streamed ? left || o.error : left && !x.usage.known();
  if (!open || !talks || x.pass || o.attempts == 0 || x.timeline.connected.ns == 0) return;
  int64_t output = static_cast<int64_t>(o.events);
  if (!o.streamed) {
    output = (x.loop.now() - x.timeline.connected).count() * kTokensASecond / 1'000'000'000;
    if (x.reserved.held) output = std::min(output, x.reserved.output_tokens);
  }
  if (x.usage.output_tokens.value_or(-1) < output) {
    x.usage.output_tokens = output;
    x.outcome.usage_estimated = true;
  }
  if (!x.usage.input_tokens) {
    x.usage.input_tokens = static_cast<int64_t>(x.request.body_bytes) / kBytesAToken;
    x.outcome.usage_estimated = true;
  }
}

// What a whole answer is told of itself beside its cost (settings: server.receipts). A stream's head goes out
// before any of it is known.
void write_receipt(exchange::Exchange& x) {
  if (!x.answer) return;
  OwnedHeaders& headers = x.answer->headers;
  if (x.usage.known())
    headers.emplace_back(
        "x-weir-tokens",
        fmt::format("input={}, cached={}, output={}", x.usage.input_tokens.value_or(0),
                    x.usage.cached_input_tokens.value_or(0), x.usage.output_tokens.value_or(0)));
  auto us = (x.loop.now() - x.timeline.received).count() / 1000;
  headers.emplace_back("x-weir-latency", fmt::format("{}.{:03} ms", us / 1000, us % 1000));
  const exchange::Outcome& o = x.outcome;
  headers.emplace_back("x-weir-decision", o.attempts <= 1
                                              ? std::string("first")
                                              : fmt::format("attempt {}, retries {}, continued {}",
                                                            o.attempts, o.retries, o.continuations));
}

}  // namespace

std::optional<registry::Bill> PriceStage::bill(std::string_view provider, std::string_view model,
                                               const exchange::Usage& usage) const {
  if (registry_.unbilled(provider)) return registry::Bill{};
  const registry::ModelFacts* facts = registry_.find(provider, model);
  return facts ? registry::bill(*facts, usage) : std::nullopt;
}

// An answer that ended badly or was left cost what it had used until then, where that is known.
void PriceStage::after(exchange::Exchange& exchange) {
  estimate_what_was_not_told(exchange);
  if (receipts_) write_receipt(exchange);
  const exchange::Outcome& outcome = exchange.outcome;
  if (!exchange.usage.known() || outcome.provider.empty()) return;
  if (exchange.spent.empty() && registry_.unbilled(outcome.provider)) return;
  exchange::Usage last = exchange.usage;
  for (const exchange::SpentCall& call : exchange.spent)
    last = last.minus(call.usage);
  std::optional<registry::Bill> all = bill(outcome.provider, outcome.provider_model, last);
  for (const exchange::SpentCall& call : exchange.spent) {
    std::optional<registry::Bill> before = bill(call.provider, call.model, call.usage);
    all = before && all ? std::optional(*all + *before) : std::nullopt;
  }
  exchange::Cost& cost = exchange.cost;
  cost.unpriced = !all;
  if (!all) return;
  cost.nanodollars = all->total;
  cost.input_nanodollars = all->input;
  cost.cache_read_nanodollars = all->cache_read;
  cost.cache_write_nanodollars = all->cache_write;
  cost.price_version = registry::book_version();
  if (receipts_) cost.text = dollars_text(all->total);
}

}  // namespace weir::pipeline
