#include "weir/pipeline/limited.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::pipeline {

namespace {
constexpr Duration kLeaseWait = seconds(1);
}

io::Task<bool> LeaseWait::over(const quota::Refusal& no) {
  if (!no.waits || !renewals_) co_return false;
  MonoTime now = exchange_.loop.now();
  if (!until_) until_ = now + kLeaseWait;
  if (*until_ <= now) co_return false;
  co_return co_await renewals_->wait(*no.waits, *until_ - now, exchange_.cancel);
}

quota::Meters meters_of(const exchange::Exchange& exchange) {
  const exchange::Identity* identity = exchange.principal.identity.get();
  return identity ? quota::Meters(identity->meters) : quota::Meters();
}

// The identity is everybody's who comes with this key: the request goes on with one of its own. It is too
// early for Exchange::tags; a header that is none (too long, twice) is refused with the body.
void add_agent(exchange::Exchange& x) {
  constexpr size_t kNameBytesMax = 64;
  const exchange::Identity* identity = x.principal.identity.get();
  if (!identity) return;
  std::shared_ptr<exchange::Identity> own;
  for (const auto& meter : identity->meters) {
    if (!meter->per_agent()) continue;
    const Header* named = find_header(x.headers, "x-weir-agent");
    if (!named || named->value.empty() || named->value.size() > kNameBytesMax) return;
    auto agent = meter->of_agent(named->value, moment_of(x.loop));
    if (!agent) continue;
    if (!own) own = std::make_shared<exchange::Identity>(*identity);
    own->meters.push_back(std::move(agent));
  }
  if (own) x.principal.identity = std::move(own);
}

bool limited(quota::Meters meters) {
  return std::ranges::any_of(meters, [](const auto& m) { return m->limited(); });
}

quota::Moment moment_of(io::Loop& loop) {
  return quota::Moment::at(loop.now(), loop.wall_now());
}

Error refused(exchange::Exchange& x, const quota::Refusal& r) {
  x.reserved.refused_scope = r.meter->scope();
  x.reserved.refused_limit = name(r.limit);
  const std::string& scope = r.meter->scope();
  std::string sentence, reason = "rate_limit_exceeded";
  if (r.limit == quota::Limit::kBudget) {
    reason = "insufficient_quota";
    std::string period = r.period == BudgetPeriod::kTotal
                             ? "The budget"
                             : fmt::format("The budget for this {}", name(r.period));
    sentence = fmt::format(
        "{} of this {} does not cover this request: {} left are fewer than it may use. A smaller limit of "
        "output tokens may still fit.",
        period, scope, r.tokens ? "the tokens" : "the dollars");
  } else if (r.limit == quota::Limit::kStreams) {
    sentence = fmt::format(
        "As many streams of this {} are under way as it may have; try again when one ends.", scope);
  } else {
    sentence = fmt::format("The limit of this {} on {} a minute is reached; try again in {} s.", scope,
                           r.limit == quota::Limit::kMoney          ? "dollars"
                           : r.limit == quota::Limit::kInputTokens  ? "input tokens"
                           : r.limit == quota::Limit::kOutputTokens ? "output tokens"
                                                                    : "requests",
                           r.retry_after_s);
  }
  Error error = make_error(ErrorCode::kRateLimited, std::move(sentence), {}, std::move(reason));
  error.retry_after_s = static_cast<int>(std::min<int64_t>(r.retry_after_s, 366 * 86'400));
  return error;
}

}  // namespace weir::pipeline
