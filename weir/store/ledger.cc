#include "weir/store/ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::store {
namespace {

constexpr std::array<std::string_view, kUsageDimensions> kNames = {
    "hour", "day", "tenant", "team", "key", "user", "agent", "tag", "model", "provider", "price_version"};

}  // namespace

std::string_view name(UsageBy by) {
  return kNames[static_cast<size_t>(by)];
}

Result<std::vector<UsageBy>> parse_usage_by(std::string_view text) {
  std::vector<UsageBy> dimensions;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto found = std::ranges::find(kNames, word);
    if (found == kNames.end())
      return fail(ErrorCode::kInvalidRequest,
                  fmt::format("\"{}\" is none of {}", word, fmt::join(kNames, ", ")), "by");
    auto by = static_cast<UsageBy>(found - kNames.begin());
    if (std::ranges::find(dimensions, by) != dimensions.end())
      return fail(ErrorCode::kInvalidRequest, fmt::format("\"{}\" is asked for twice", word), "by");
    dimensions.push_back(by);
  }
  return dimensions;
}

}  // namespace weir::store
