#include "weir/app/mock/script.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/json.h"

namespace weir::app {
namespace {

using json::Type;
using json::Value;

constexpr std::string_view kFaults[] = {
    "",         "hang",           "hang_after_head", "hang_mid", "reset",     "cut",
    "cut_body", "html",           "malformed",       "no_done",  "no_finish", "error_event",
    "too_long", "content_policy", "overloaded",
};
constexpr std::string_view kFinishes[] = {"",           "stop",           "stop_sequence", "length",
                                          "tool_calls", "content_filter", "refusal",       "pause"};
constexpr std::string_view kUsages[] = {"final", "with_finish", "none"};
constexpr std::string_view kPrefills[] = {"continue", "fresh", "refuse"};

Unexpected bad(std::string_view key, std::string_view what) {
  std::string name = fmt::format("mock.{}", key);
  return fail(ErrorCode::kInvalidRequest, fmt::format("{} {}", name, what), name, "bad_script");
}

Result<std::string> one_of(std::string_view key, const Value& value, auto& known) {
  std::string text = value.as_string().value_or("?");
  if (std::ranges::find(known, text) == std::end(known)) return bad(key, "is none that the mock knows");
  return text;
}

Result<std::vector<Script::ToolCall>> read_tools(const Value& value) {
  std::vector<Script::ToolCall> tools;
  if (auto count = value.as_int(); count && *count >= 0 && *count <= 100) {
    for (int64_t i = 0; i < *count; ++i)
      tools.push_back({{}, fmt::format(R"({{"city":"{}"}})", i % 2 == 0 ? "Paris" : "Lima")});
    return tools;
  }
  if (value.type != Type::kArray) return bad("tools", "must be a number or an array");
  for (const Value& element : json::elements_of(value.raw)) {
    auto name = json::find_in(element.raw, "name"), arguments = json::find_in(element.raw, "arguments");
    if (element.type != Type::kObject || !name || name->type != Type::kString)
      return bad("tools", "must hold objects with a name");
    tools.push_back({*name->as_string(), arguments ? std::string(arguments->raw) : "{}"});
    if (arguments && arguments->type == Type::kString) tools.back().arguments = *arguments->as_string();
  }
  return tools;
}

struct Integer {
  std::string_view name;
  int64_t Script::* member;
};
constexpr Integer kIntegers[] = {
    {"frames", &Script::frames},
    {"text_bytes", &Script::text_bytes},
    {"text_seed", &Script::text_seed},
    {"input_tokens", &Script::input_tokens},
    {"overlap", &Script::overlap},
    {"delay_ms", &Script::delay_ms},
    {"first_frame_delay_ms", &Script::first_frame_delay_ms},
    {"frame_delay_ms", &Script::frame_delay_ms},
    {"piece_bytes", &Script::piece_bytes},
    {"piece_delay_ms", &Script::piece_delay_ms},
    {"stall_ms", &Script::stall_ms},
    {"status", &Script::status},
    {"after", &Script::after},
    {"header_bytes", &Script::header_bytes},
    {"tag", &Script::tag},
};
struct Flag {
  std::string_view name;
  bool Script::* member;
};
constexpr Flag kFlags[] = {{"echo", &Script::echo}, {"received", &Script::received}, {"done", &Script::done}};
struct Text {
  std::string_view name;
  std::string Script::* member;
};
constexpr Text kTexts[] = {{"thinking", &Script::thinking},
                           {"redacted", &Script::redacted},
                           {"message", &Script::message},
                           {"content_type", &Script::content_type}};

Result<void> set(Script& script, std::string_view key, const Value& value) {
  if (auto at = std::ranges::find(kIntegers, key, &Integer::name); at != std::end(kIntegers)) {
    auto number = value.as_int();
    if (!number) return bad(key, "must be an integer");
    script.*at->member = *number;
    if (key == "frames") script.frames_given = true;
    return {};
  }
  if (auto at = std::ranges::find(kFlags, key, &Flag::name); at != std::end(kFlags)) {
    auto flag = value.as_bool();
    if (!flag) return bad(key, "must be true or false");
    script.*at->member = *flag;
    return {};
  }
  if (auto at = std::ranges::find(kTexts, key, &Text::name); at != std::end(kTexts)) {
    if (value.type != Type::kString) return bad(key, "must be a string");
    script.*at->member = *value.as_string();
    return {};
  }
  if (key == "text") {
    if (value.type != Type::kString) return bad(key, "must be a string");
    script.text = value.as_string();
  } else if (key == "output_tokens" || key == "cached_tokens") {
    auto number = value.as_int();
    if (!number) return bad(key, "must be an integer");
    (key == "output_tokens" ? script.output_tokens : script.cached_tokens) = number;
  } else if (key == "fault") {
    TRY(script.fault, one_of(key, value, kFaults));
  } else if (key == "finish") {
    TRY(script.finish, one_of(key, value, kFinishes));
  } else if (key == "usage") {
    TRY(script.usage, one_of(key, value, kUsages));
  } else if (key == "prefill") {
    TRY(script.prefill, one_of(key, value, kPrefills));
  } else if (key == "tools") {
    TRY(script.tools, read_tools(value));
  } else if (key == "headers") {
    if (value.type != Type::kObject) return bad(key, "must be an object");
    script.headers.clear();
    for (const json::Member& m : json::members_of(value.raw))
      script.headers.emplace_back(m.key, m.value.as_string().value_or(""));
  } else {
    return bad(key, "is no member of a script");
  }
  return {};
}

}  // namespace

std::string mock_word(int64_t seed, int64_t index, int64_t bytes) {
  uint64_t mixed = (static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15 + static_cast<uint64_t>(index)) *
                   0xbf58476d1ce4e5b9;  // the words of two texts, and of two places, differ
  std::string word = fmt::format(" {}-{:04x}", index, mixed >> 48);
  if (word.size() < static_cast<size_t>(std::max<int64_t>(bytes, 0)))
    word.append(static_cast<size_t>(bytes) - word.size(), 'x');
  return word;
}

Result<void> Script::apply(std::string_view object) {
  for (const json::Member& member : json::members_of(object))
    TRY_VOID(set(*this, member.key, member.value));
  return {};
}

}  // namespace weir::app
