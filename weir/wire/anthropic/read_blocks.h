// Content blocks of a caller's request as parts of the canonical one. For the files of this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/exchange/chat.h"
#include "weir/wire/fields.h"

namespace weir::wire::anthropic {

namespace chat = exchange::chat;

/// Whose blocks are read: what stands where is part of the API.
enum class Place : uint8_t { kSystem, kUser, kAssistant, kToolResult, kDocument };

/// A string or an array of blocks, appended to `parts`. Blocks that only Anthropic's servers can act on are
/// noted in `request`. Errors: kInvalidRequest naming the block's place ("messages[2].content[0].type").
Result<void> read_content(const json::Value& value, const std::string& path, Place place,
                          chat::Request& request, std::vector<chat::Part>& parts);

/// kInvalidRequest: "'path' what".
Unexpected bad(const std::string& path, std::string_view what);

Result<std::string> required_text(const Fields& fields, std::string_view key, const std::string& path);

/// Notes once that `name` stays behind.
void unread(chat::Request& request, std::string name);

/// Notes `prefix.key` if that member is there and not null.
void leave(const Fields& fields, std::string_view key, std::string_view prefix, chat::Request& request);

}  // namespace weir::wire::anthropic
