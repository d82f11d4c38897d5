// Ledger: what was used and what it cost, summed by the hour (in which a request ended, UTC) and by
// everything it can be charged to, but for the run. Its rows are written in the transaction that stores the
// events (EventStore::append), so a request is in both or in neither, and once. Only requests that asked a
// model server are in it. Integer nano-dollars. Blocks: used on worker threads; calls are independent of each
// other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir::store {

/// By what sums can be asked for. The key is the account's key, or the name of the configuration's.
enum class UsageBy : uint8_t {
  kHour,
  kDay,
  kTenant,
  kTeam,
  kKey,
  kUser,
  kAgent,
  kTag,
  kModel,
  kProvider,
  kPriceVersion,
};
inline constexpr size_t kUsageDimensions = 11;
/// "hour", "day", "tenant", ... "price_version".
std::string_view name(UsageBy by);
/// "tenant,model". Errors: kInvalidRequest, naming what is no dimension or stands there twice.
Result<std::vector<UsageBy>> parse_usage_by(std::string_view text);

/// Sums. Cached and written tokens are parts of the input, reasoning of the output; what is left of
/// `nanodollars` beside the three parts was for output.
struct UsageSum {
  std::vector<std::string> by;  // values, in the order asked; hour and day: "2026-11-21T08:00:00Z"
  int64_t requests = 0;
  int64_t failed = 0;     // of them: did not end well, or the caller left
  int64_t estimated = 0;  // of them: a part of the tokens was never reported
  int64_t input_tokens = 0, cached_input_tokens = 0, cache_write_tokens = 0;
  int64_t output_tokens = 0, reasoning_tokens = 0;
  int64_t nanodollars = 0, input_nanodollars = 0, cache_read_nanodollars = 0, cache_write_nanodollars = 0;
  int64_t output_nanodollars() const {
    return nanodollars - input_nanodollars - cache_read_nanodollars - cache_write_nanodollars;
  }
};

struct UsageQuery {
  int64_t from_s = 0;  // unix; an hour counts when it begins in [from, to)
  int64_t to_s = 0;
  std::vector<UsageBy> by;  // empty: one sum
  /// Only what has these values.
  std::vector<std::pair<UsageBy, std::string>> where;
  size_t rows_max = 100'000;
};

/// What one scope used since the beginnings of its periods.
struct Spent {
  int64_t nanodollars = 0;
  int64_t tokens = 0;  // input and output
};
struct SpentInPeriods {
  Spent day, month, total;
};
/// By "key", "user", "team", "tenant", then by id.
using SpentByScope = std::map<std::string, std::map<std::string, SpentInPeriods>, std::less<>>;

class Ledger {
 public:
  virtual ~Ledger() = default;
  /// In the order of the dimensions' values.
  virtual Result<std::vector<UsageSum>> usage(const UsageQuery& query) = 0;
  /// Of every scope that used anything; `day_s` and `month_s`: when the periods began. What lies in the
  /// future (the clock went back) counts too.
  virtual Result<SpentByScope> spent(int64_t day_s, int64_t month_s) = 0;
};

}  // namespace weir::store
