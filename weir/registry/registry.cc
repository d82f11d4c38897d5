#include "weir/registry/registry.h"

#include <algorithm>
#include <charconv>

#include "weir/base/assert.h"
#include "weir/base/money.h"
#include "weir/base/service.h"

namespace weir::registry {
namespace {

struct Literal {
  std::string_view vendor, rows;
};
constexpr Literal kBook[] = {
#include "weir/registry/book.inc"
};

std::string_view take_word(std::string_view& line) {
  size_t end = std::min(line.find(' '), line.size());
  std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<int64_t> count_of(std::string_view word) {
  int64_t n = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), n);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return n;
}

void take_ability(ModelFacts& facts, std::string_view word) {
  struct Row {
    std::string_view word;
    std::optional<bool> ModelFacts::* fact;
    bool value = true;
  };
  static constexpr Row kRows[] = {{"tools", &ModelFacts::tools},
                                  {"vision", &ModelFacts::vision},
                                  {"audio", &ModelFacts::audio},
                                  {"json_schema", &ModelFacts::json_schema},
                                  {"reasoning", &ModelFacts::reasoning},
                                  {"prefill", &ModelFacts::prefill},
                                  {"no_prefill", &ModelFacts::prefill, false}};
  for (const Row& row : kRows)
    if (row.word == word) facts.*row.fact = row.value;
}

void take_price(ModelFacts& facts, std::string_view word, std::string_view value) {
  struct Row {
    std::string_view word;
    Price Rates::* price;
  };
  static constexpr Row kRows[] = {{"in", &Rates::input},
                                  {"out", &Rates::output},
                                  {"read", &Rates::cache_read},
                                  {"write", &Rates::cache_write},
                                  {"write1h", &Rates::cache_write_1h},
                                  {"audio_in", &Rates::input_audio},
                                  {"audio_out", &Rates::output_audio},
                                  {"reasoning", &Rates::reasoning},
                                  {"batch_in", &Rates::batch_input},
                                  {"batch_out", &Rates::batch_output}};
  if (word == "until") {
    facts.until = value;
    return;
  }
  if (word == "above") {
    facts.tier_above = count_of(value).value_or(0);
    return;
  }
  Rates& rates = word.starts_with("above_") ? facts.tier : facts.rates;
  if (word.starts_with("above_")) word.remove_prefix(6);
  for (const Row& row : kRows)
    if (row.word == word) rates.*row.price = nanodollars_of(value);
}

// One line of the book.
ModelFacts facts_of(std::string_view line) {
  ModelFacts facts;
  facts.model = take_word(line);
  facts.context_tokens = count_of(take_word(line));
  facts.output_tokens = count_of(take_word(line));
  for (std::string_view abilities = take_word(line); !abilities.empty();) {
    size_t comma = std::min(abilities.find(','), abilities.size());
    take_ability(facts, abilities.substr(0, comma));
    abilities.remove_prefix(std::min(comma + 1, abilities.size()));
  }
  while (!line.empty()) {
    std::string_view word = take_word(line);
    size_t equals = std::min(word.find('='), word.size());
    take_price(facts, word.substr(0, equals), word.substr(std::min(equals + 1, word.size())));
  }
  return facts;
}

struct Book {
  std::vector<std::vector<ModelFacts>> rows;
  std::vector<BookVendor> vendors;
  Book() {
    for (const Literal& literal : kBook) {
      std::vector<ModelFacts>& models = rows.emplace_back();
      for (std::string_view rest = literal.rows; !rest.empty();) {
        size_t end = std::min(rest.find('\n'), rest.size());
        if (end > 0) models.push_back(facts_of(rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      std::ranges::sort(models, {}, &ModelFacts::model);
    }
    for (size_t i = 0; i < rows.size(); ++i)
      vendors.push_back({kBook[i].vendor, rows[i]});
  }
};

// Read once, by whoever asks first; never changes.
const Book& the_book() {
  static const Book book;
  return book;
}

const ModelFacts* exact(std::span<const ModelFacts> models, std::string_view name) {
  auto at = std::ranges::lower_bound(models, name, {}, &ModelFacts::model);
  return at != models.end() && at->model == name ? &*at : nullptr;
}

// A name without the version at its end; empty: it has none.
std::string_view unversioned(std::string_view name) {
  if (name.ends_with("-latest")) return name.substr(0, name.size() - 7);
  auto digits = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  size_t n = name.size();
  if (n > 9 && name[n - 9] == '-' && digits(name.substr(n - 8))) return name.substr(0, n - 9);
  if (n > 11 && name[n - 11] == '-' && name[n - 6] == '-' && name[n - 3] == '-' &&
      digits(name.substr(n - 10, 4)) && digits(name.substr(n - 5, 2)) && digits(name.substr(n - 2)))
    return name.substr(0, n - 11);
  return {};
}

ModelFacts laid_over(const RegistryModelSettings& entry, const ModelFacts* book) {
  ModelFacts facts = book ? *book : ModelFacts{};
  facts.model = entry.model;
  auto take = [](auto& mine, const auto& stated) {
    if (stated) mine = stated;
  };
  take(facts.context_tokens, entry.context_tokens);
  take(facts.output_tokens, entry.output_tokens);
  take(facts.tools, entry.tools);
  take(facts.vision, entry.vision);
  take(facts.audio, entry.audio);
  take(facts.json_schema, entry.json_schema);
  take(facts.reasoning, entry.reasoning);
  take(facts.prefill, entry.prefill);
  // A price of its own leaves nothing of the book's: half of each would be nobody's price list.
  if (entry.input_nanodollars || entry.output_nanodollars) {
    facts.rates = {};
    facts.tier = {};
    facts.tier_above = 0;
  }
  take(facts.rates.input, entry.input_nanodollars);
  take(facts.rates.output, entry.output_nanodollars);
  take(facts.rates.cache_read, entry.cache_read_nanodollars);
  take(facts.rates.cache_write, entry.cache_write_nanodollars);
  take(facts.rates.cache_write_1h, entry.cache_write_1h_nanodollars);
  return facts;
}

}  // namespace

std::span<const BookVendor> book() {
  return the_book().vendors;
}

int32_t book_version() {
  return
#include "weir/registry/book_date.inc"
      ;
}

const ModelFacts* find_in_book(std::string_view vendor, std::string_view model) {
  for (const BookVendor& of : book()) {
    if (of.vendor != vendor) continue;
    if (const ModelFacts* found = exact(of.models, model)) return found;
    std::string_view shorter = unversioned(model);
    return shorter.empty() ? nullptr : exact(of.models, shorter);
  }
  return nullptr;
}

std::string_view vendor_of(const ProviderSettings& provider) {
  if (!provider.service.empty()) return provider.service;
  switch (provider.kind) {
    case ProviderKind::kAnthropic:
      return "anthropic";
    case ProviderKind::kGemini:
      return "gemini";
    case ProviderKind::kOpenAi: {
      if (provider.base_url.host == "api.openai.com") return "openai";
      for (const Service& s : services()) {
        auto url = BaseUrl::parse(s.base_url);
        if (s.bills && url && url->host == provider.base_url.host) return s.word;
      }
      return {};
    }
    default:
      return {};
  }
}

bool is_unbilled(const ProviderSettings& provider) {
  if (const Service* s = service(provider.service)) return !s->bills;
  return provider.kind == ProviderKind::kLocal || provider.kind == ProviderKind::kOllama;
}

Registry::Registry(const Settings& settings) {
  for (const ProviderSettings& provider : settings.providers) {
    Known& known = providers_[provider.name];
    known.vendor = vendor_of(provider);
    known.unbilled = is_unbilled(provider);
  }
  for (const RegistryModelSettings& entry : settings.registry) {
    auto at = providers_.find(entry.provider);
    WEIR_ASSERT(at != providers_.end());  // checked when the configuration was read
    Known& known = at->second;
    if (entry.model.ends_with('*'))
      known.patterns.push_back(laid_over(entry, nullptr));
    else
      known.exact[entry.model] = laid_over(entry, find_in_book(known.vendor, entry.model));
    known.unbilled = known.unbilled && !entry.input_nanodollars && !entry.output_nanodollars;
  }
  for (auto& [name, known] : providers_)
    std::ranges::sort(known.patterns, [](const ModelFacts& a, const ModelFacts& b) {
      return a.model.size() != b.model.size() ? a.model.size() > b.model.size() : a.model < b.model;
    });
}

const ModelFacts* Registry::find(std::string_view provider, std::string_view model) const {
  auto at = providers_.find(provider);
  if (at == providers_.end()) return nullptr;
  const Known& known = at->second;
  if (auto own = known.exact.find(model); own != known.exact.end()) return &own->second;
  for (const ModelFacts& pattern : known.patterns)
    if (matches_pattern(pattern.model, model)) return &pattern;
  return find_in_book(known.vendor, model);
}

bool Registry::unbilled(std::string_view provider) const {
  auto at = providers_.find(provider);
  return at != providers_.end() && at->second.unbilled;
}

}  // namespace weir::registry
