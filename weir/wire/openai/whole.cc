// Whole answers and embeddings between OpenAI's wire and the canonical forms.
#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "weir/base/base64.h"
#include "weir/base/json_write.h"
#include "weir/wire/fields.h"
#include "weir/wire/malformed.h"
#include "weir/wire/openai/openai.h"

namespace weir::wire::openai {
namespace {

using chat::PartKind;
using chat::Step;
using exchange::Operation;
using json::Type;
using json::Value;

void text_block(chat::Sink& sink, int choice, PartKind part, const std::string& text) {
  if (text.empty()) return;
  sink.take({.kind = Step::Kind::kOpen, .choice = choice, .part = part});
  sink.take({.kind = Step::Kind::kText, .choice = choice, .part = part, .text = text});
  sink.take({.kind = Step::Kind::kClose, .choice = choice, .part = part});
}

void tool_block(chat::Sink& sink, int choice, const std::string& id, const Fields& function) {
  std::string name = function.text("name"), arguments = function.text("arguments");
  if (arguments.empty()) arguments = function.json("arguments");
  sink.take(
      {.kind = Step::Kind::kOpen, .choice = choice, .part = PartKind::kToolCall, .id = id, .name = name});
  if (!arguments.empty())
    sink.take({.kind = Step::Kind::kText, .choice = choice, .part = PartKind::kToolCall, .text = arguments});
  sink.take({.kind = Step::Kind::kClose, .choice = choice, .part = PartKind::kToolCall});
}

// Returns whether the message calls tools.
bool read_message(const Value& value, int choice, chat::Sink& sink) {
  Fields message(value);
  std::string thoughts = message.text("reasoning_content");
  if (thoughts.empty()) thoughts = message.text("reasoning");
  text_block(sink, choice, PartKind::kThinking, thoughts);
  text_block(sink, choice, PartKind::kText, message.text("content"));
  text_block(sink, choice, PartKind::kRefusal, message.text("refusal"));
  bool called = false;
  if (const Value* calls = message.find("tool_calls", Type::kArray)) {
    for (const Value& element : json::elements_of(calls->raw)) {
      Fields call(element);
      const Value* function = call.find("function", Type::kObject);
      if (!function) continue;
      tool_block(sink, choice, call.text("id"), Fields(*function));
      called = true;
    }
  }
  return called;
}

}  // namespace

Result<void> read_answer(const json::Document& answer, chat::Sink& sink) {
  Fields fields(answer.root);
  const Value* choices = fields.find("choices", Type::kArray);
  if (!choices) return malformed("answered without choices");
  std::string id = fields.text("id"), model = fields.text("model");
  sink.take({.kind = Step::Kind::kStart, .id = id, .name = model});
  int position = 0;
  for (const Value& element : json::elements_of(choices->raw)) {
    Fields choice(element);
    int index = position++;
    bool called = false;
    if (const Value* message = choice.find("message", Type::kObject))
      called = read_message(*message, index, sink);
    text_block(sink, index, PartKind::kText, choice.text("text"));
    chat::Finish finish = finish_of(choice.text("finish_reason"));
    if (finish == chat::Finish::kStop && called) finish = chat::Finish::kToolCalls;
    sink.take({.kind = Step::Kind::kFinish, .choice = index, .finish = finish});
  }
  if (position == 0) return malformed("answered without choices");
  if (auto usage = usage_of(answer)) sink.take({.kind = Step::Kind::kUsage, .usage = &*usage});
  sink.take({.kind = Step::Kind::kEnd});
  return {};
}

std::string answer_id(const AnswerContext& context) {
  if (!context.known_id.empty()) return context.known_id;
  std::string_view digits = context.id;
  if (size_t at = digits.find('_'); at != std::string_view::npos) digits.remove_prefix(at + 1);
  return (context.operation == Operation::kChat ? "chatcmpl-" : "cmpl-") + std::string(digits);
}

void append_usage(std::string& out, const exchange::Usage& usage) {
  int64_t input = usage.input_tokens.value_or(0), answer = usage.output_tokens.value_or(0);
  json::Writer w(out);
  w.begin_object().member("prompt_tokens", input).member("completion_tokens", answer);
  w.member("total_tokens", input + answer);
  if (usage.cached_input_tokens || usage.cache_write_tokens || usage.input_audio_tokens) {
    w.key("prompt_tokens_details")
        .begin_object()
        .member("cached_tokens", usage.cached_input_tokens.value_or(0));
    if (usage.cache_write_tokens) w.member("cache_write_tokens", *usage.cache_write_tokens);
    if (usage.input_audio_tokens) w.member("audio_tokens", *usage.input_audio_tokens);
    w.end_object();
  }
  if (usage.reasoning_tokens || usage.output_audio_tokens) {
    w.key("completion_tokens_details").begin_object();
    if (usage.reasoning_tokens) w.member("reasoning_tokens", *usage.reasoning_tokens);
    if (usage.output_audio_tokens) w.member("audio_tokens", *usage.output_audio_tokens);
    w.end_object();
  }
  w.end_object();
}

std::string write_answer(const AnswerContext& context, const chat::Answer& answer) {
  bool chat = context.operation == Operation::kChat;
  std::string out;
  json::Writer w(out);
  w.begin_object().member("id", answer_id(context));
  w.member("object", chat ? "chat.completion" : "text_completion").member("created", context.created_s);
  w.member("model", context.model).key("choices").begin_array();
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const chat::Answer::Choice& choice = answer.choices[i];
    std::string text, thoughts, refusal;
    bool calls = false;
    for (const chat::Part& part : choice.parts) {
      if (part.kind == PartKind::kText) text += part.text;
      if (part.kind == PartKind::kThinking) thoughts += part.text;
      if (part.kind == PartKind::kRefusal) refusal += part.text;
      calls = calls || part.kind == PartKind::kToolCall;
    }
    w.begin_object().member("index", i);
    if (chat) {
      w.key("message").begin_object().member("role", "assistant").key("content");
      if (text.empty() && (calls || !refusal.empty()))
        w.null();
      else
        w.value(text);
      w.key("refusal");
      if (refusal.empty())
        w.null();
      else
        w.value(refusal);
      if (!thoughts.empty()) w.member("reasoning_content", thoughts);
      if (calls) {
        w.key("tool_calls").begin_array();
        for (const chat::Part& part : choice.parts) {
          if (part.kind != PartKind::kToolCall) continue;
          w.begin_object().member("id", part.id).member("type", "function").key("function").begin_object();
          w.member("name", part.name).member("arguments", part.text.empty() ? std::string("{}") : part.text);
          w.end_object().end_object();
        }
        w.end_array();
      }
      w.end_object();
    } else {
      w.member("text", text + refusal);
    }
    w.key("logprobs").null();
    w.member("finish_reason", name_of(choice.finish.value_or(chat::Finish::kOther))).end_object();
  }
  w.end_array().key("usage");
  std::string usage;
  append_usage(usage, answer.usage);
  w.raw(usage).end_object();
  return out;
}

// ------------------------------------------------------------------------------------------------ embeddings

Result<EmbeddingRequest> read_embedding(const exchange::ModelRequest& source) {
  EmbeddingRequest request;
  Fields fields(source.document.root);
  const Value* input = fields.find("input");
  if (input->type == Type::kString) {
    request.inputs.push_back(input->as_string().value_or(""));
  } else {
    for (const Value& element : json::elements_of(input->raw)) {
      if (element.type != Type::kString)
        return fail(ErrorCode::kInvalidRequest, "this model takes text, not token ids", "input",
                    "unsupported_value");
      request.inputs.push_back(element.as_string().value_or(""));
    }
  }
  request.dimensions = fields.integer("dimensions");
  return request;
}

std::string write_embedding_request(const EmbeddingRequest& request, std::string_view model,
                                    chat::Losses& losses) {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("model", model).key("input").begin_array();
  for (const std::string& text : request.inputs)
    w.value(text);
  w.end_array();
  if (request.dimensions) w.member("dimensions", *request.dimensions);
  w.end_object();
  for (const std::string& field : request.unread)
    losses.add(field);
  return out;
}

namespace {

// OpenAI's other encoding of a vector: base64 of little-endian floats.
std::string base64_of(const std::string& vector) {
  std::string bytes;
  for (const Value& number : json::elements_of(vector)) {
    uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(number.as_double().value_or(0)));
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>(bits >> shift & 0xff);
  }
  return base64_encode(bytes);
}

std::string vector_of_base64(std::string_view text) {
  std::string bytes = base64_decode(text).value_or("");
  std::string out = "[";
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    uint32_t bits = 0;
    for (size_t b = 0; b < 4; ++b)
      bits |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i + b])) << (8 * b);
    if (i > 0) out += ',';
    json::append_number(out, static_cast<double>(std::bit_cast<float>(bits)));
  }
  return out + "]";
}

}  // namespace

std::string write_embedding(const AnswerContext& context, const exchange::ModelRequest& request,
                            const EmbeddingAnswer& answer) {
  const Value* encoding = request.document.find("encoding_format");
  bool base64 = encoding && encoding->is_string("base64");
  std::string out;
  json::Writer w(out);
  w.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < answer.vectors.size(); ++i) {
    w.begin_object().member("object", "embedding").member("index", i).key("embedding");
    if (base64)
      w.value(base64_of(answer.vectors[i]));
    else
      w.raw(answer.vectors[i]);
    w.end_object();
  }
  int64_t input = answer.usage.input_tokens.value_or(0);
  w.end_array().member("model", context.model).key("usage").begin_object();
  w.member("prompt_tokens", input).member("total_tokens", input).end_object().end_object();
  return out;
}

Result<EmbeddingAnswer> read_embedding_answer(const json::Document& document) {
  EmbeddingAnswer answer;
  Fields fields(document.root);
  const Value* data = fields.find("data", Type::kArray);
  if (!data) return malformed("answered without data");
  for (const Value& element : json::elements_of(data->raw)) {
    Fields entry(element);
    const Value* vector = entry.find("embedding");
    if (!vector || (vector->type != Type::kArray && vector->type != Type::kString))
      return malformed("answered with an entry that has no embedding");
    answer.vectors.push_back(vector->type == Type::kArray ? std::string(vector->raw)
                                                          : vector_of_base64(entry.text("embedding")));
  }
  if (auto usage = usage_of(document)) answer.usage = *usage;
  return answer;
}

}  // namespace weir::wire::openai
