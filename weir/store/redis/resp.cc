#include "weir/store/redis/resp.h"

#include <charconv>

namespace weir::store::redis {
namespace {

constexpr int kDepthMax = 4;
constexpr int64_t kListMax = 65'536;
constexpr size_t kLineMax = 4096;

Unexpected broken(std::string_view what) {
  return fail_internal(ErrorCode::kIo, "redis: " + std::string(what));
}

// Without its end; nullopt: it has not all come.
Result<std::optional<std::string_view>> take_line(std::string_view& bytes) {
  size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kLineMax) return broken("a reply's line has no end");
    return std::nullopt;
  }
  if (end > kLineMax) return broken("a reply's line is too long");
  std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 2);
  return line;
}

bool number(std::string_view digits, int64_t& into) {
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
  return error == std::errc() && !digits.empty() && end == digits.data() + digits.size();
}

Result<std::optional<Reply>> take(std::string_view& bytes, int depth) {
  TRY(auto line, take_line(bytes));
  if (!line) return std::nullopt;
  if (line->empty()) return broken("an empty line for a reply");
  char kind = line->front();
  line->remove_prefix(1);
  Reply reply;
  int64_t length = 0;
  switch (kind) {
    case '+':
      reply.kind = Reply::Kind::kText;
      reply.text = *line;
      return reply;
    case '-':
      reply.kind = Reply::Kind::kError;
      reply.text = *line;
      return reply;
    case ':':
      reply.kind = Reply::Kind::kInteger;
      if (!number(*line, reply.integer)) return broken("a number that is none");
      return reply;
    case '$':
      if (!number(*line, length) || length < -1 || length > static_cast<int64_t>(kReplyBytesMax))
        return broken("a text of no length, or too long");
      if (length < 0) return reply;
      if (bytes.size() < static_cast<size_t>(length) + 2) return std::nullopt;
      if (bytes.substr(static_cast<size_t>(length), 2) != "\r\n") return broken("a text without its end");
      reply.kind = Reply::Kind::kText;
      reply.text = bytes.substr(0, static_cast<size_t>(length));
      bytes.remove_prefix(static_cast<size_t>(length) + 2);
      return reply;
    case '*':
      if (!number(*line, length) || length < -1 || length > kListMax)
        return broken("a list of no length, or too long");
      if (length < 0) return reply;
      if (depth >= kDepthMax) return broken("lists too deep in each other");
      reply.kind = Reply::Kind::kList;
      for (int64_t i = 0; i < length; ++i) {
        TRY(auto item, take(bytes, depth + 1));
        if (!item) return std::nullopt;
        reply.list.push_back(*std::move(item));
      }
      return reply;
    default:
      return broken("a reply of no known kind");
  }
}

}  // namespace

Result<std::optional<Reply>> take_reply(std::string_view& bytes) {
  std::string_view rest = bytes;
  TRY(auto reply, take(rest, 0));
  if (!reply && bytes.size() > kReplyBytesMax) return broken("a reply is too large");
  if (reply) bytes = rest;
  return reply;
}

void append_command(std::string& to, std::span<const std::string_view> words) {
  to += '*' + std::to_string(words.size()) + "\r\n";
  for (std::string_view word : words) {
    to += '$' + std::to_string(word.size()) + "\r\n";
    to += word;
    to += "\r\n";
  }
}

}  // namespace weir::store::redis
