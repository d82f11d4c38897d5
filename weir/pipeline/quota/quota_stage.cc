#include "weir/pipeline/quota/quota_stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/pipeline/limited.h"
#include "weir/pipeline/quota/worst_case.h"

namespace weir::pipeline {
namespace {

constexpr int kWarnFromPercent = 80;
constexpr int64_t kMoreTokens = 512;  // that a stream reserves at once when it says more than was allowed for
constexpr int64_t kSlackPieces = 16;  // events of a stream that are no tokens

// The budget of all its meters that is used up most, for the header.
std::string warning(quota::Meters meters, const quota::Moment& now) {
  const quota::Meter* of = nullptr;
  quota::Meter::Share most{};
  for (const auto& meter : meters)
    if (auto share = meter->share(now, std::max(kWarnFromPercent, most.percent + 1))) {
      most = *share;
      of = meter.get();
    }
  return of ? fmt::format("{} {} {}%", of->scope(), name(most.period), most.percent) : std::string();
}

}  // namespace

std::optional<quota::Refusal> QuotaStage::reserve(exchange::Exchange& x, const WorstCase& worst) const {
  quota::Meters meters = meters_of(x);
  quota::Moment now = moment_of(x.loop);
  if (x.request.stream && !x.reserved.stream) {
    if (auto no = quota::take_stream(meters, now)) return no;
    x.reserved.stream = true;
  }
  if (auto no = quota::reserve(meters, worst.amounts, now)) return no;
  x.reserved.held = true;
  x.reserved.input_tokens = worst.amounts.input_tokens;
  x.reserved.output_tokens = worst.amounts.output_tokens;
  x.reserved.nanodollars = worst.amounts.nanodollars;
  x.reserved.nanodollars_per_million_output = worst.nanodollars_per_million_output;
  x.reserved.warning = warning(meters, now);
  return std::nullopt;
}

io::Task<Result<exchange::Stage::Flow>> QuotaStage::before(exchange::Exchange& exchange) {
  // Where nothing is limited there is nothing to hold back: it is counted when it is over.
  if (!limited(meters_of(exchange))) co_return Flow::kOn;
  WorstCase worst = worst_case(exchange, registry_);
  LeaseWait wait(renewals_, exchange);
  while (auto no = reserve(exchange, worst))
    if (!no->waits || !co_await wait.over(*no)) co_return Unexpected(refused(exchange, *no));
  co_return Flow::kOn;
}

// About a token an event. A model server that says more than it was allowed to, or of whose limits nothing is
// known, is paid for all the same: so what it says is reserved before it is passed on.
void QuotaStage::on_event(exchange::Exchange& x, exchange::StreamEvent& event) {
  exchange::Reserved& held = x.reserved;
  if (!held.held || event.raw.empty() || event.raw.starts_with(':') || event.last || x.cut) return;
  if (++held.output_pieces <= held.output_tokens + kSlackPieces) return;
  quota::Amounts more{.output_tokens = kMoreTokens};
  more.nanodollars = (kMoreTokens * held.nanodollars_per_million_output + 999'999) / 1'000'000;
  if (auto no = quota::reserve(meters_of(x), more, moment_of(x.loop))) {
    if (!no->waits || !renewals_) {
      x.cut = refused(x, *no);
      return;
    }
    // The model said it already, and nothing waits in the middle of a stream: the lease comes after.
    quota::owe(meters_of(x), more);
    renewals_->ask(*no->waits);
  }
  held.output_tokens += more.output_tokens;
  held.nanodollars += more.nanodollars;
}

void QuotaStage::after(exchange::Exchange& x) {
  quota::Meters meters = meters_of(x);
  if (meters.empty()) return;
  exchange::Reserved& held = x.reserved;
  if (held.stream) quota::give_back_stream(meters);
  quota::Amounts used{.input_tokens = x.usage.input_tokens.value_or(0),
                      .output_tokens = x.usage.output_tokens.value_or(0),
                      .nanodollars = x.cost.nanodollars.value_or(0)};
  quota::Amounts reserved;
  if (held.held) reserved = {held.input_tokens, held.output_tokens, held.nanodollars};
  held.held = held.stream = false;
  quota::settle(meters, reserved, used, moment_of(x.loop));
}

}  // namespace weir::pipeline
