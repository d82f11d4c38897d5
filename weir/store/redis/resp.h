// RESP: the protocol of Redis and Valkey (version 2, which both speak without being asked), as much of it as
// commands and their replies need. Values. The replies are bytes of another machine: bounded in size, depth
// and number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"

namespace weir::store::redis {

struct Reply {
  enum class Kind : uint8_t { kNil, kText, kError, kInteger, kList };
  Kind kind = Kind::kNil;
  std::string text;  // kText; kError: "NOSCRIPT No matching script."
  int64_t integer = 0;
  std::vector<Reply> list;
  bool is_error(std::string_view word) const { return kind == Kind::kError && text.starts_with(word); }
  friend bool operator==(const Reply&, const Reply&) = default;
};

inline constexpr size_t kReplyBytesMax = 1 << 20;

/// Takes one whole reply from the beginning of `bytes`; nullopt: it has not all come yet, and nothing is
/// taken. Errors: kIo: these bytes are no reply, or too large a one.
Result<std::optional<Reply>> take_reply(std::string_view& bytes);

/// Appends a command as it is sent.
void append_command(std::string& to, std::span<const std::string_view> words);

}  // namespace weir::store::redis
