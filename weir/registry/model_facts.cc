#include "weir/registry/model_facts.h"

#include <algorithm>
#include <limits>

namespace weir::registry {

void Rates::take(const Rates& over) {
  for (Price Rates::* price : {&Rates::input, &Rates::output, &Rates::cache_read, &Rates::cache_write,
                               &Rates::cache_write_1h, &Rates::input_audio, &Rates::output_audio,
                               &Rates::reasoning, &Rates::batch_input, &Rates::batch_output})
    if (over.*price) this->*price = over.*price;
}

std::optional<Bill> bill(const ModelFacts& facts, const exchange::Usage& usage) {
  if (!usage.known()) return std::nullopt;
  auto tokens = [](const std::optional<int64_t>& n) { return std::max<int64_t>(n.value_or(0), 0); };
  int64_t input = tokens(usage.input_tokens), output = tokens(usage.output_tokens);
  Rates rates = facts.rates;
  if (facts.tier_above > 0 && input > facts.tier_above) rates.take(facts.tier);

  // Each class is a part of its whole; what a server reports beyond the whole is not charged twice.
  auto part = [](int64_t& whole, int64_t wanted) {
    int64_t taken = std::min(whole, wanted);
    whole -= taken;
    return taken;
  };
  int64_t read = part(input, tokens(usage.cached_input_tokens));
  int64_t write = part(input, tokens(usage.cache_write_tokens));
  int64_t write_1h = part(write, tokens(usage.cache_write_1h_tokens));
  int64_t input_audio = part(input, rates.input_audio ? tokens(usage.input_audio_tokens) : 0);
  int64_t output_audio = part(output, rates.output_audio ? tokens(usage.output_audio_tokens) : 0);
  int64_t reasoning = part(output, rates.reasoning ? tokens(usage.reasoning_tokens) : 0);

  __extension__ using Wide = __int128;
  struct {
    Wide input = 0, read = 0, write = 0, output = 0;
  } sum;  // nano-dollars, times a million
  bool priced = true;
  auto charge = [&](Wide& of, int64_t count, std::initializer_list<Price> in_order) {
    if (count == 0) return;
    for (const Price& price : in_order) {
      if (!price) continue;
      of += Wide{count} * *price;
      return;
    }
    priced = false;
  };
  charge(sum.input, input, {rates.input});
  charge(sum.read, read, {rates.cache_read, rates.input});
  charge(sum.write, write, {rates.cache_write, rates.input});
  charge(sum.write, write_1h, {rates.cache_write_1h, rates.cache_write, rates.input});
  charge(sum.input, input_audio, {rates.input_audio});
  charge(sum.output, output, {rates.output});
  charge(sum.output, output_audio, {rates.output_audio});
  charge(sum.output, reasoning, {rates.reasoning});
  if (!priced || (!rates.input && !rates.output)) return std::nullopt;
  Wide total = (sum.input + sum.read + sum.write + sum.output + 500'000) / 1'000'000;
  if (total > std::numeric_limits<int64_t>::max()) return std::nullopt;
  auto down = [](Wide of) { return static_cast<int64_t>(of / 1'000'000); };
  return Bill{static_cast<int64_t>(total), down(sum.input), down(sum.read), down(sum.write)};
}

std::optional<int64_t> cost_nanodollars(const ModelFacts& facts, const exchange::Usage& usage) {
  std::optional<Bill> of = bill(facts, usage);
  return of ? std::optional(of->total) : std::nullopt;
}

}  // namespace weir::registry
