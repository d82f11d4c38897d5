// Marks on charts: what changed while the figures did: starts of weir and configurations that it took (the
// audit log, where accounts are kept) and alerts that fired. A mark that can not be read is left out: a chart
// without it is still a chart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/admin/call.h"
#include "weir/admin/time_range.h"

namespace weir::admin {

struct Mark {
  int64_t unix_ms = 0;
  std::string_view kind;  // "start", "config", "alert"
  std::string text;
};

/// Of the range, in the order of time; at most kMarksMax, the newest. The installation's for who may see all
/// tenants, a tenant's own alerts for the others.
inline constexpr size_t kMarksMax = 100;
io::Task<std::vector<Mark>> marks(Call& call, TimeRange range);

void write_marks(json::Writer& w, const std::vector<Mark>& marks);

}  // namespace weir::admin
