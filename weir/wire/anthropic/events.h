// Events of a stream, told apart. For the files of this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/json.h"
#include "weir/wire/framer.h"

namespace weir::wire::anthropic {

enum class Event : uint8_t {
  kUnknown,  // of a type that came after this was written, a ping, or nothing: no harm in it
  kMalformed,
  kMessageStart,
  kBlockStart,
  kBlockDelta,
  kBlockStop,
  kMessageDelta,
  kMessageStop,
  kError,
};

/// `data` gets the event's object. Some servers leave the type to the frame's own name, or end with OpenAI's
/// terminator.
Event event_of(const StreamFrame& frame, std::string_view& data);

/// The member `key` if it is of that type. `object` need not be checked JSON.
std::optional<json::Value> find(std::string_view object, std::string_view key, json::Type type);

/// JSON's white space gone from both ends.
std::string_view trimmed(std::string_view text);

}  // namespace weir::wire::anthropic
