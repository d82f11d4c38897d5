#include <emmintrin.h>

#include <algorithm>
#include <bit>

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/wire/openai/openai.h"

namespace weir::wire::openai {
namespace {

using json::Type;
using json::Value;

std::optional<int64_t> count(std::string_view object, std::string_view key) {
  auto v = json::find_in(object, key);
  if (!v || v->type != Type::kNumber) return std::nullopt;
  auto n = v->as_int();
  if (!n || *n < 0) return std::nullopt;
  return n;
}

std::optional<exchange::Usage> read_usage(const Value& v) {
  if (v.type != Type::kObject) return std::nullopt;
  exchange::Usage usage;
  usage.input_tokens = count(v.raw, "prompt_tokens");
  usage.output_tokens = count(v.raw, "completion_tokens");
  if (auto details = json::find_in(v.raw, "prompt_tokens_details");
      details && details->type == Type::kObject) {
    usage.cached_input_tokens = count(details->raw, "cached_tokens");
    usage.cache_write_tokens = count(details->raw, "cache_write_tokens");
    usage.input_audio_tokens = count(details->raw, "audio_tokens");
    usage.input_image_tokens = count(details->raw, "image_tokens");
  }
  if (auto details = json::find_in(v.raw, "completion_tokens_details");
      details && details->type == Type::kObject) {
    usage.reasoning_tokens = count(details->raw, "reasoning_tokens");
    usage.output_audio_tokens = count(details->raw, "audio_tokens");
  }
  if (!usage.known()) return std::nullopt;
  return usage;
}

// The first element of an array, or nullopt.
std::optional<std::string_view> first_element(std::string_view array) {
  size_t at = array.find_first_not_of(" \t\r\n", 1);
  if (at == std::string_view::npos || array[at] != '{') return std::nullopt;
  return array.substr(at);  // find_in() stops at the object's end
}

bool non_empty_text(std::string_view object, std::string_view key) {
  auto v = json::find_in(object, key);
  return v &&
         ((v->type == Type::kString && v->raw.size() > 2) || (v->type == Type::kArray && v->raw.size() > 2));
}

bool has_output(std::string_view choice) {
  if (non_empty_text(choice, "text")) return true;  // /v1/completions
  auto delta = json::find_in(choice, "delta");
  if (!delta || delta->type != Type::kObject) return false;
  for (std::string_view key : {"content", "tool_calls", "reasoning_content", "reasoning", "refusal"})
    if (non_empty_text(delta->raw, key)) return true;
  for (std::string_view key : {"function_call", "audio"})
    if (auto v = json::find_in(delta->raw, key); v && v->type == Type::kObject) return true;
  return false;
}

// JSON's white space at both ends; some servers pad their frames.
std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Which names stand between quotes in an event, found in one pass over its bytes. A search for each name was
// two thirds of what an event costs: every quote of the frame stopped it.
struct Names {
  bool usage = false;
  bool error = false;
  int finished = 0;  // "finish_reason" with a text
};

// `from` begins at a quote.
void note_name(std::string_view from, Names& names) {
  constexpr std::string_view kFinishReason = "\"finish_reason\"";
  if (from.starts_with("\"usage\"")) names.usage = true;
  if (from.starts_with("\"error\"")) names.error = true;
  if (!from.starts_with(kFinishReason)) return;
  size_t value = from.find_first_not_of(" \t\r\n:", kFinishReason.size());
  if (value != std::string_view::npos && from[value] == '"') ++names.finished;
}

Names names_in(std::string_view data) {
  Names names;
  size_t at = 0;
  for (; data.size() - at > 16; at += 16) {
    auto load = [&](size_t i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data.data() + i)); };
    __m128i quote = _mm_cmpeq_epi8(load(at), _mm_set1_epi8('"'));
    __m128i next = load(at + 1);
    __m128i first = _mm_or_si128(
        _mm_cmpeq_epi8(next, _mm_set1_epi8('u')),
        _mm_or_si128(_mm_cmpeq_epi8(next, _mm_set1_epi8('e')), _mm_cmpeq_epi8(next, _mm_set1_epi8('f'))));
    for (auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_and_si128(quote, first))); hits != 0;
         hits &= hits - 1)
      note_name(data.substr(at + static_cast<size_t>(std::countr_zero(hits))), names);
  }
  for (; at < data.size(); ++at)
    if (data[at] == '"') note_name(data.substr(at), names);
  return names;
}

void append_model(std::string& out, const ModelEntry& model) {
  int64_t created = model.created.value_or(0);  // the clients' types require it
  out += R"({"id":)";
  json::append_quoted(out, model.id);
  out += R"(,"object":"model","created":)" + std::to_string(created) + R"(,"owned_by":)";
  json::append_quoted(out, model.owned_by);
  // The same entry as Anthropic's clients read it.
  out += R"(,"type":"model","display_name":)";
  json::append_quoted(out, model.id);
  out += R"(,"created_at":")" + rfc3339({created * 1'000'000'000}) + '"';
  if (model.context_tokens) out += R"(,"context_length":)" + std::to_string(*model.context_tokens);
  if (model.output_tokens) out += R"(,"max_output_tokens":)" + std::to_string(*model.output_tokens);
  if (!model.more.empty()) out.append(1, ',').append(model.more);
  out += '}';
}

void append_id(std::string& out, const std::vector<ModelEntry>& models, bool first) {
  if (models.empty())
    out += "null";
  else
    json::append_quoted(out, first ? models.front().id : models.back().id);
}

}  // namespace

EventFacts read_event(std::string_view data, bool look_for_output) {
  EventFacts facts;
  data = trimmed(data);
  if (data == "[DONE]") {
    facts.done = true;
    return facts;
  }
  if (!data.starts_with('{') || !data.ends_with('}')) {
    facts.malformed = true;
    return facts;
  }
  // A search for the bytes is several times cheaper than a walk over the members; most events have none of
  // these.
  Names names = names_in(data);
  facts.finished = names.finished;
  if (names.usage) {
    facts.usage_value = json::find_in(data, "usage");
    if (facts.usage_value) facts.usage = read_usage(*facts.usage_value);
    auto choices = json::find_in(data, "choices");
    facts.choices_empty = choices && choices->type == Type::kArray && !first_element(choices->raw);
  }
  if (names.error) {
    auto error = json::find_in(data, "error");
    auto object = json::find_in(data, "object");
    facts.error = (error && (error->type == Type::kObject || error->type == Type::kString)) ||
                  (object && object->raw == "\"error\"");
  }
  if (look_for_output) {
    if (auto choices = json::find_in(data, "choices"); choices && choices->type == Type::kArray)
      if (auto choice = first_element(choices->raw)) facts.has_output = has_output(*choice);
  }
  return facts;
}

std::string error_text(std::string_view data) {
  auto value = json::find_in(data, "error");
  if (!value || value->type == Type::kNull) value = json::find_in(data, "message");
  if (value && value->type == Type::kObject) value = json::find_in(value->raw, "message");
  return value ? value->as_string().value_or("").substr(0, 500) : "";
}

std::string without_usage(std::string_view data) {
  std::string out = "data: ";
  auto members = json::members_of(data);
  json::Edits edits(data);
  for (const json::Member& m : members)
    if (m.key == "usage") edits.remove_member(m);
  // Data of several lines: between tokens a line end is white space, and inside a string it is not JSON.
  std::string text = edits.str();
  std::ranges::replace(text, '\n', ' ');
  out += text;
  out += "\n\n";
  return out;
}

std::optional<exchange::Usage> usage_of(const json::Document& answer) {
  const Value* usage = answer.find("usage");
  return usage ? read_usage(*usage) : std::nullopt;
}

std::string models_body(const std::vector<ModelEntry>& models) {
  std::string out = R"({"object":"list","data":[)";
  for (const ModelEntry& m : models) {
    if (out.back() != '[') out += ',';
    append_model(out, m);
  }
  out += R"(],"has_more":false,"first_id":)";
  append_id(out, models, true);
  out += R"(,"last_id":)";
  append_id(out, models, false);
  out += '}';
  return out;
}

std::string model_body(const ModelEntry& model) {
  std::string out;
  append_model(out, model);
  return out;
}

}  // namespace weir::wire::openai
