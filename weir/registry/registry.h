// Registry: facts of models by provider. Two layers: the book of public models that is built in (book.inc,
// written by tools/model_book.py), and what the configuration says over it. Immutable; thread-safe.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/settings.h"
#include "weir/registry/model_facts.h"

namespace weir::registry {

/// The book's row of a model: by its exact name, or without what marks a version at its end ("-2024-08-06",
/// "-20250929", "-latest"). `vendor` is the word of providers.kind ("openai", "anthropic", "groq" ...).
/// nullptr: not known.
const ModelFacts* find_in_book(std::string_view vendor, std::string_view model);

struct BookVendor {
  std::string_view vendor;
  std::span<const ModelFacts> models;  // by name
};
std::span<const BookVendor> book();
/// The day of its prices, as a number: 20261120.
int32_t book_version();

/// Whose models a provider has; empty: unknown, as of an OpenAI-like server at an address of its own.
std::string_view vendor_of(const ProviderSettings& provider);
/// Runs on the user's own machines: nobody charges for its tokens.
bool is_unbilled(const ProviderSettings& provider);

class Registry {
 public:
  explicit Registry(const Settings& settings);

  /// By the provider's name in the configuration and its name of the model. The configuration's entry counts
  /// (an exact name before a pattern, the longest pattern first); an exact one is laid over the book's row.
  const ModelFacts* find(std::string_view provider, std::string_view model) const;
  /// Nobody charges for what this provider does.
  bool unbilled(std::string_view provider) const;

 private:
  struct Known {
    std::string vendor;
    bool unbilled = false;
    std::map<std::string, ModelFacts, std::less<>> exact;
    std::vector<ModelFacts> patterns;  // the longest first
  };
  std::map<std::string, Known, std::less<>> providers_;
};

}  // namespace weir::registry
