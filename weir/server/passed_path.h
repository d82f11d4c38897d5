// The paths of the APIs that can be passed through to a provider, and the rule for what may stand in one: the
// path goes out as it came in, so it must mean the same to every reader on the way.
#pragma once

#include <optional>
#include <string_view>

#include "weir/base/passed_api.h"

namespace weir::server {

struct PassedPath {
  PassedApi api;
  bool anthropic = false;  // an API of Anthropic's alone
};

/// Which API a path belongs to; nullopt: none that is passed through.
std::optional<PassedPath> passed_path(std::string_view path);

/// Segments of letters, digits and -._~:@!$'()*,;=+& with none empty, "." or "..". An escape stands for a
/// printable character other than the separators, the dot and the percent sign, so that nobody who resolves
/// escapes, once or twice, sees another path.
bool is_plain_path(std::string_view path);

}  // namespace weir::server
