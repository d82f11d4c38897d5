// When a certificate ends. A value; thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "weir/base/clock.h"

namespace weir {

/// Of the first certificate of a PEM chain (the server's own). nullopt: there is none that can be read.
std::optional<WallTime> certificate_ends(std::string_view pem);

}  // namespace weir
