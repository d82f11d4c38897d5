// Limits and lists of texts as JSON, the way stores keep them in one column. Money is an integer there. What
// a later weir wrote and this one does not know is an error, never a missing limit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/base/limits.h"
#include "weir/base/result.h"

namespace weir::store {

std::string to_json(const std::vector<std::string>& texts);
/// "" where there are none.
std::string to_json(const Limits& limits);
/// Errors: kIo.
Result<std::vector<std::string>> texts_of(std::string_view json);
Result<Limits> limits_of(std::string_view json);

}  // namespace weir::store
