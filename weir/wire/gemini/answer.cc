#include <fmt/format.h>

#include <algorithm>

#include "weir/base/hash.h"
#include "weir/wire/fields.h"
#include "weir/wire/gemini/codec.h"
#include "weir/wire/malformed.h"

namespace weir::wire::gemini {
namespace {

using chat::Finish;
using chat::PartKind;
using chat::Step;
using json::Type;
using json::Value;

std::string_view trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Finish finish_of(std::string_view reason, bool calls) {
  if (reason == "STOP") return calls ? Finish::kToolCalls : Finish::kStop;
  if (reason == "MAX_TOKENS") return Finish::kLength;
  constexpr std::string_view kFiltered[] = {"SAFETY",      "RECITATION",       "BLOCKLIST",
                                            "SPII",        "IMAGE_SAFETY",     "PROHIBITED_CONTENT",
                                            "MODEL_ARMOR", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT"};
  if (std::ranges::find(kFiltered, reason) != std::end(kFiltered)) return Finish::kContentFilter;
  return Finish::kOther;  // a malformed call, a language it does not speak ...
}

std::optional<int64_t> count(const Fields& fields, std::string_view key) {
  auto n = fields.integer(key);
  if (!n || *n < 0) return std::nullopt;
  return n;
}

// Tokens of one kind in a list of {"modality","tokenCount"}; a kind without a number has none.
std::optional<int64_t> modality(const Fields& fields, std::string_view list, std::string_view kind) {
  const Value* details = fields.find(list, Type::kArray);
  if (!details) return std::nullopt;
  std::optional<int64_t> sum;
  for (const Value& detail : json::elements_of(details->raw)) {
    Fields entry(detail);
    auto n = count(entry, "tokenCount");
    if (entry.is("modality", kind) && n && *n < (int64_t{1} << 53)) sum = sum.value_or(0) + *n;
  }
  return sum;
}

// Sums of what is known; nothing when nothing is.
std::optional<int64_t> sum(std::optional<int64_t> a, std::optional<int64_t> b) {
  constexpr int64_t kMax = int64_t{1} << 53;
  if (a.value_or(0) > kMax || b.value_or(0) > kMax) return std::nullopt;  // no number of tokens
  if (!a && !b) return std::nullopt;
  return a.value_or(0) + b.value_or(0);
}

// Documents are read as pictures and counted by their own name.
std::optional<int64_t> pictures(const Fields& usage) {
  return sum(modality(usage, "promptTokensDetails", "IMAGE"),
             modality(usage, "promptTokensDetails", "DOCUMENT"));
}

}  // namespace

std::optional<exchange::Usage> read_usage(const Value& metadata) {
  if (metadata.type != Type::kObject) return std::nullopt;
  Fields fields(metadata);
  exchange::Usage usage;
  // What tools of the server's own gave the model was input too.
  usage.input_tokens = sum(count(fields, "promptTokenCount"), count(fields, "toolUsePromptTokenCount"));
  usage.reasoning_tokens = count(fields, "thoughtsTokenCount");
  usage.output_tokens = sum(count(fields, "candidatesTokenCount"), usage.reasoning_tokens);
  usage.cached_input_tokens = count(fields, "cachedContentTokenCount");
  usage.input_audio_tokens = modality(fields, "promptTokensDetails", "AUDIO");
  usage.input_image_tokens = pictures(fields);
  usage.output_audio_tokens = modality(fields, "candidatesTokensDetails", "AUDIO");
  if (!usage.known()) return std::nullopt;
  return usage;
}

std::string words_of(std::string_view body) {
  body = trimmed(body);
  if (body.starts_with('[')) {  // streams that are no server-sent events answer with lists
    std::vector<Value> elements = json::elements_of(body);
    return elements.empty() || elements.front().type != Type::kObject ? std::string()
                                                                      : words_of(elements.front().raw);
  }
  auto error = json::find_in(body, "error");
  if (!error) return {};
  if (error->type == Type::kObject) return Fields(*error).text("message");
  return error->as_string().value_or("");
}

// ---- reading answers

ChunkReader::Candidate& ChunkReader::candidate(size_t index) {
  while (candidates_.size() <= index)
    candidates_.emplace_back(static_cast<int>(candidates_.size()));
  return candidates_[index];
}

Result<void> ChunkReader::read(std::string_view data, chat::Sink& sink) {
  data = trimmed(data);
  if (!data.starts_with('{') || !data.ends_with('}')) return malformed("a chunk that is no JSON object");
  Fields chunk(data);
  if (chunk.find("error")) {
    Error error = make_error(ErrorCode::kUpstream, words_of(data), {}, "upstream_error_event");
    return Unexpected(std::move(error));
  }
  const Value* candidates = chunk.find("candidates", Type::kArray);
  const Value* usage = chunk.find("usageMetadata", Type::kObject);
  const Value* feedback = chunk.find("promptFeedback", Type::kObject);
  if (!candidates && !usage && !feedback) return malformed("a chunk without candidates");
  if (!started_) {
    started_ = true;
    answer_id_ = chunk.text("responseId");
    std::string model = chunk.text("modelVersion");
    sink.take({.kind = Step::Kind::kStart, .id = answer_id_, .name = model});
  }
  if (candidates)
    for (const Value& value : json::elements_of(candidates->raw)) {
      if (value.type != Type::kObject) return malformed("a candidate that is no object");
      TRY_VOID(read_candidate(value.raw, sink));
    }
  // A prompt that was refused has no candidates: the refusal is the answer.
  if (feedback && candidates_.empty() && Fields(*feedback).find("blockReason", Type::kString)) {
    Candidate& first = candidate(0);
    first.finished = true;
    sink.take({.kind = Step::Kind::kFinish, .finish = Finish::kContentFilter});
  }
  if (usage)
    if (auto tokens = read_usage(*usage)) sink.take({.kind = Step::Kind::kUsage, .usage = &*tokens});
  return {};
}

Result<void> ChunkReader::read_candidate(std::string_view raw, chat::Sink& sink) {
  Fields fields(raw);
  int64_t index = fields.integer("index").value_or(0);
  if (index < 0 || index >= chat::Collector::kChoicesMax) return malformed("a candidate out of range");
  Candidate& mine = candidate(static_cast<size_t>(index));
  if (mine.finished) return {};  // nothing counts after its end
  if (const Value* content = fields.find("content", Type::kObject))
    if (auto parts = json::find_in(content->raw, "parts"); parts && parts->type == Type::kArray)
      for (const Value& part : json::elements_of(parts->raw)) {
        if (part.type != Type::kObject) return malformed("a part that is no object");
        TRY_VOID(read_part(part.raw, mine.blocks, sink));
      }
  std::string reason = fields.text("finishReason");
  if (!reason.empty() && reason != "FINISH_REASON_UNSPECIFIED") {
    mine.blocks.close(sink);
    mine.finished = true;
    sink.take({.kind = Step::Kind::kFinish,
               .choice = mine.blocks.choice(),
               .finish = finish_of(reason, mine.blocks.calls() > 0)});
  }
  return {};
}

Result<void> ChunkReader::read_part(std::string_view raw, Blocks& blocks, chat::Sink& sink) {
  Fields part(raw);
  for (std::string_view kind : {"inlineData", "fileData", "executableCode", "codeExecutionResult"}) {
    if (!part.find(kind)) continue;
    Error error = make_error(ErrorCode::kUpstream,
                             fmt::format("The model's answer holds '{}', which has no place here.", kind), {},
                             "unsupported_answer");
    return Unexpected(std::move(error));
  }
  std::string signature = part.text("thoughtSignature");
  if (const Value* call = part.find("functionCall", Type::kObject)) {
    Fields function(*call);
    std::string name = function.text("name");
    if (name.empty()) return malformed("a function call without name");
    std::string id = function.text("id");
    if (id.empty()) {
      std::string seed = fmt::format("{}\n{}\n{}\n{}", answer_id_, blocks.choice(), blocks.calls(), name);
      id = "call_" + sha256_hex(seed).substr(0, 16);
    }
    const Value* args = function.find("args");
    if (args && args->type != Type::kObject)
      return malformed("a function call whose arguments are no object");
    blocks.call(id, name, args ? args->raw : std::string_view("{}"), signature, sink);
    return {};
  }
  bool thought = part.flag("thought").value_or(false);
  blocks.text(thought ? PartKind::kThinking : PartKind::kText, part.text("text"), sink);
  if (signature.empty()) return {};
  if (!thought) blocks.close(sink);  // a block of its own
  blocks.signature(PartKind::kThinking, signature, sink);
  blocks.close(sink);
  return {};
}

bool ChunkReader::finish(chat::Sink& sink) {
  if (ended_) return true;
  bool spoke = false;
  for (const Candidate& candidate : candidates_) {
    if (!candidate.finished) return false;
    spoke = true;
  }
  if (!spoke) return false;
  ended_ = true;
  sink.take({.kind = Step::Kind::kEnd});
  return true;
}

Result<EmbeddingAnswer> read_embedding_answer(const json::Document& answer) {
  EmbeddingAnswer out;
  auto take = [&](const Value& embedding) {
    const auto values = json::find_in(embedding.raw, "values");
    if (embedding.type != Type::kObject || !values || values->type != Type::kArray) return false;
    // An array that holds numbers only has no other characters than these.
    std::string_view inside = values->raw.substr(1, values->raw.size() - 2);
    if (inside.find_first_not_of("0123456789+-.eE, \t\r\n") != std::string_view::npos) return false;
    out.vectors.emplace_back(values->raw);
    return true;
  };
  if (const Value* all = answer.find("embeddings"); all && all->type == Type::kArray) {
    for (const Value& embedding : json::elements_of(all->raw))
      if (!take(embedding)) return malformed("an embedding that is no array of numbers");
  } else if (const Value* one = answer.find("embedding"); !one || !take(*one)) {
    return malformed("an answer without embeddings");
  }
  if (const Value* usage = answer.find("usageMetadata"))
    if (auto tokens = read_usage(*usage)) out.usage = *tokens;
  return out;
}

EventFacts read_event(std::string_view data, bool look_for_output) {
  EventFacts facts;
  data = trimmed(data);
  if (!data.starts_with('{') || !data.ends_with('}')) {
    facts.malformed = true;
    return facts;
  }
  Fields chunk(data);
  facts.error = chunk.find("error") != nullptr;
  if (const Value* usage = chunk.find("usageMetadata")) facts.usage = read_usage(*usage);
  const Value* candidates = chunk.find("candidates", Type::kArray);
  if (!candidates) return facts;
  for (const Value& candidate : json::elements_of(candidates->raw)) {
    Fields fields(candidate);
    if (!fields.text("finishReason").empty()) ++facts.finished;
    const Value* content = fields.find("content", Type::kObject);
    if (!content || !look_for_output || facts.has_output) continue;
    for (const Value& part : json::elements_of(Fields(*content).json("parts"))) {
      Fields inside(part);
      facts.has_output = facts.has_output || !inside.text("text").empty() || inside.find("functionCall");
    }
  }
  return facts;
}

}  // namespace weir::wire::gemini
