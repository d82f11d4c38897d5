#include "weir/wire/anthropic/events.h"

#include <utility>

#include "weir/wire/anthropic/anthropic.h"

namespace weir::wire::anthropic {

using json::Type;
using json::Value;

namespace {

constexpr std::pair<std::string_view, Event> kEvents[] = {
    {"content_block_delta", Event::kBlockDelta},
    {"content_block_start", Event::kBlockStart},
    {"content_block_stop", Event::kBlockStop},
    {"message_start", Event::kMessageStart},
    {"message_delta", Event::kMessageDelta},
    {"message_stop", Event::kMessageStop},
    {"error", Event::kError},
};

}  // namespace

std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::optional<Value> find(std::string_view object, std::string_view key, Type type) {
  auto v = json::find_in(object, key);
  if (v && v->type != type) v.reset();
  return v;
}

Event event_of(const StreamFrame& frame, std::string_view& data) {
  data = trimmed(frame.data);
  if (data.empty() || data == "[DONE]") return Event::kUnknown;
  if (!data.starts_with('{') || !data.ends_with('}')) return Event::kMalformed;
  auto type = find(data, "type", Type::kString);
  for (const auto& [name, event] : kEvents)
    if (type ? type->is_string(name) : frame.event == name) return event;
  if (type || !frame.event.empty()) return Event::kUnknown;
  return json::find_in(data, "error") ? Event::kError : Event::kMalformed;
}

// --------------------------------------------------------------------------------------------- relaying

namespace {

bool has_output(Event event, std::string_view data) {
  if (event == Event::kBlockStart) {
    auto block = find(data, "content_block", Type::kObject);
    auto type = block ? find(block->raw, "type", Type::kString) : std::nullopt;
    if (!type) return false;
    for (std::string_view key : {"text", "thinking"})
      if (type->is_string(key)) {
        auto text = find(block->raw, key, Type::kString);
        return text && text->raw.size() > 2;
      }
    return true;  // a tool call, or what a server's own tool did
  }
  auto delta = event == Event::kBlockDelta ? find(data, "delta", Type::kObject) : std::nullopt;
  if (!delta) return false;
  for (std::string_view key : {"text", "thinking", "partial_json"})
    if (auto text = find(delta->raw, key, Type::kString); text && text->raw.size() > 2) return true;
  return false;
}

// Usage of message_start or message_delta on its own. A message_delta that says zero input has nothing to
// say about it (some servers send zeros there): it must not take back what message_start said.
std::optional<exchange::Usage> read_usage(std::string_view object, bool cumulative) {
  Counts counts;
  counts.add(object);
  if (cumulative && counts.input == 0 && counts.cache_read.value_or(0) == 0 &&
      counts.cache_write.value_or(0) == 0)
    counts.input = counts.cache_read = counts.cache_write = std::nullopt;
  exchange::Usage usage = counts.usage();
  if (!usage.known()) return std::nullopt;
  return usage;
}

}  // namespace

EventFacts read_event(const StreamFrame& frame, bool look_for_output) {
  EventFacts facts;
  std::string_view data;
  Event event = event_of(frame, data);
  facts.malformed = event == Event::kMalformed;
  facts.error = event == Event::kError;
  facts.done = event == Event::kMessageStop;
  if (event == Event::kMessageStart) {
    if (auto message = find(data, "message", Type::kObject))
      facts.usage_value = json::find_in(message->raw, "usage");
  } else if (event == Event::kMessageDelta) {
    facts.usage_value = json::find_in(data, "usage");
    auto delta = find(data, "delta", Type::kObject);
    if (delta && find(delta->raw, "stop_reason", Type::kString)) facts.finished = 1;
  } else if (look_for_output) {
    facts.has_output = has_output(event, data);
  }
  if (facts.usage_value && facts.usage_value->type == Type::kObject)
    facts.usage = read_usage(facts.usage_value->raw, event == Event::kMessageDelta);
  return facts;
}

}  // namespace weir::wire::anthropic
