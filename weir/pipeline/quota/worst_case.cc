#include "weir/pipeline/quota/worst_case.h"

#include <algorithm>
#include <initializer_list>

namespace weir::pipeline {
namespace {

using exchange::Dialect;
using exchange::Exchange;
using exchange::Operation;

// Of a model of which nothing is known. A stream that says more is counted as it comes (quota_stage.h).
constexpr int64_t kOutputTokens = 4096;
constexpr int64_t kContextTokens = 131'072;

std::optional<int64_t> whole_number(const json::Value* value) {
  if (!value) return std::nullopt;
  std::optional<int64_t> n = value->as_int();
  if (!n || *n < 0) return std::nullopt;
  return std::min(*n, int64_t{1} << 40);
}

std::optional<int64_t> number_in(const json::Document& document, std::string_view object,
                                 std::string_view key) {
  const json::Value* outer = document.find(object);
  if (!outer || outer->type != json::Type::kObject) return std::nullopt;
  std::optional<json::Value> inner = json::find_in(outer->raw, key);
  return inner ? whole_number(&*inner) : std::nullopt;
}

int64_t choices(const Exchange& x) {
  const json::Document& d = x.request.document;
  int64_t most = 1;
  for (std::string_view name : {"n", "best_of"})
    most = std::max(most, whole_number(d.find(name)).value_or(1));
  if (x.dialect == Dialect::kGemini)
    most = std::max(most, number_in(d, "generationConfig", "candidateCount").value_or(1));
  return std::min<int64_t>(most, 1024);
}

// What the names in a body say of its cost. One pass over the quotes: seventeen searches through 100 KB were
// a millisecond. A word inside a text is followed by an escaped quote and is not taken for a name.
struct Names {
  bool elsewhere = false;  // something that is not in the body becomes input
  bool cache = false;      // parts are marked to be kept in the provider's cache
};
Names names_in(std::string_view body) {
  Names found;
  for (size_t at = body.find('"'); at != std::string_view::npos; at = body.find('"', at + 1)) {
    std::string_view name = body.substr(at + 1, 32);
    auto is = [&](std::initializer_list<std::string_view> words) {
      return std::ranges::any_of(words, [&](std::string_view word) { return name.starts_with(word); });
    };
    if (name.empty()) break;
    switch (name.front()) {
      case 'c':
        found.cache = found.cache || name.starts_with("cache_control\"");
        found.elsewhere = found.elsewhere || name.starts_with("conversation\"");
        break;
      case 'd':
        found.elsewhere = found.elsewhere || is({"document\"", "document_url\""});
        break;
      case 'f':
        found.elsewhere = found.elsewhere || is({"file\"", "file_id\"", "file_url\"", "file_data\"",
                                                 "fileUri\"", "fileData\"", "file_search\""});
        break;
      case 'i':
        found.elsewhere =
            found.elsewhere || is({"image\"", "images\"", "image_url\"", "input_image\"", "input_file\"",
                                   "input_audio\"", "inlineData\"", "inline_data\"", "item_reference\""});
        break;
      case 'p':
        found.elsewhere = found.elsewhere || is({"prompt\":{", "previous_response_id\""});
        break;
      case 'w':
        found.elsewhere = found.elsewhere || name.starts_with("web_search");
        break;
      default:
        break;
    }
  }
  return found;
}

int64_t dearest(std::initializer_list<registry::Price> prices) {
  int64_t most = 0;
  for (const registry::Price& price : prices)
    most = std::max(most, price.value_or(0));
  return most;
}

}  // namespace

std::optional<int64_t> allowed_output(const Exchange& x) {
  const json::Document& d = x.request.document;
  switch (x.dialect) {
    case Dialect::kOllama:
      return number_in(d, "options", "num_predict");
    case Dialect::kGemini:
      return number_in(d, "generationConfig", "maxOutputTokens");
    case Dialect::kResponses:
      return whole_number(d.find("max_output_tokens"));
    case Dialect::kAnthropic:
      return whole_number(d.find("max_tokens"));
    case Dialect::kOpenAi: {
      std::optional<int64_t> total = whole_number(d.find("max_completion_tokens"));
      return total ? total : whole_number(d.find("max_tokens"));
    }
  }
  return std::nullopt;
}

WorstCase worst_case(const Exchange& x, const registry::Registry& registry) {
  WorstCase worst;
  if (x.operation == Operation::kCountTokens) return worst;
  if (x.pass) {
    // What it will use is known when it answers. A budget that is used up refuses it all the same.
    worst.amounts = {.input_tokens = by_model(x.pass->api), .nanodollars = by_model(x.pass->api)};
    return worst;
  }
  std::string_view body = x.request.body.view();
  auto bytes = static_cast<int64_t>(x.request.body_bytes);
  Names names = names_in(body);
  bool elsewhere = names.elsewhere || !x.request.previous_response_id.empty();
  bool talks = x.operation == Operation::kChat || x.operation == Operation::kCompletion;
  std::optional<int64_t> allowed = talks ? allowed_output(x) : std::optional<int64_t>(0);
  int64_t most_choices = talks ? choices(x) : 1;

  auto consider = [&](const exchange::Target& target) {
    const registry::ModelFacts* facts = registry.find(target.provider, target.model);
    int64_t context = facts ? facts->context_tokens.value_or(kContextTokens) : kContextTokens;
    int64_t input = elsewhere ? std::max(bytes, context) : bytes;
    if (facts && facts->context_tokens) input = std::min(input, *facts->context_tokens);
    int64_t output = allowed ? *allowed
                     : facts ? facts->output_tokens.value_or(kOutputTokens)
                             : kOutputTokens;
    output *= most_choices;
    worst.amounts.input_tokens = std::max(worst.amounts.input_tokens, input);
    worst.amounts.output_tokens = std::max(worst.amounts.output_tokens, output);
    if (!facts || registry.unbilled(target.provider)) return;
    const registry::Rates &rates = facts->rates, &tier = facts->tier;
    bool tiered = facts->tier_above > 0 && input > facts->tier_above;
    auto of = [&](registry::Price registry::Rates::* price) {
      return dearest({rates.*price, tiered ? tier.*price : registry::Price()});
    };
    int64_t per_input = std::max(of(&registry::Rates::input), of(&registry::Rates::input_audio));
    if (names.cache)
      per_input =
          std::max({per_input, of(&registry::Rates::cache_write), of(&registry::Rates::cache_write_1h)});
    int64_t per_output = std::max(
        {of(&registry::Rates::output), of(&registry::Rates::output_audio), of(&registry::Rates::reasoning)});
    __extension__ using Wide = __int128;
    Wide cost = (Wide{input} * per_input + Wide{output} * per_output + 999'999) / 1'000'000;
    worst.amounts.nanodollars =
        std::max(worst.amounts.nanodollars, static_cast<int64_t>(std::min<Wide>(cost, int64_t{1} << 60)));
    worst.nanodollars_per_million_output = std::max(worst.nanodollars_per_million_output, per_output);
  };
  for (const exchange::Target& target : x.route.targets)
    consider(target);
  for (const exchange::Target& target : x.route.larger)
    consider(target);
  return worst;
}

}  // namespace weir::pipeline
