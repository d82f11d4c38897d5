// A conversation with a model and its answer, whatever dialect they were written in: the one canonical
// message tree. A wire reads its dialect into it and writes its dialect from it (wire/dialect.h); nobody else
// builds JSON of a provider. It is made only where it is needed, when caller and model server speak different
// dialects or a stage must read the messages: a same-dialect call relays the caller's bytes.
//
// What the tree can hold is what at least two dialects can say, and opaque blocks that must come back byte
// for byte (signatures, redacted thinking). What only one dialect knows stays behind and is named in Losses.
// Text is unescaped UTF-8; JSON inside (schemas, tool arguments) stays JSON text. Values; they own their
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/exchange/usage.h"

namespace weir::exchange::chat {

enum class Role : uint8_t { kSystem, kUser, kAssistant };

enum class PartKind : uint8_t {
  kText,
  kRefusal,           // the assistant's "I can't help with that", where a dialect marks it
  kThinking,          // text and, from some models, a signature that must come back unchanged
  kRedactedThinking,  // opaque `data`
  kImage,
  kAudio,
  kFile,        // a document: PDF, text ...
  kToolCall,    // by the assistant: id, name, text = the arguments' JSON object
  kToolResult,  // by the user: id of the call, content
};

struct Part {
  PartKind kind = PartKind::kText;
  std::string text;           // of text, refusal, thinking; a tool call's arguments
  std::string id;             // of the tool call
  std::string name;           // of the tool; of the file
  std::string media_type;     // "image/png"; empty: not said
  std::string data;           // base64 of an image, audio or file; a redacted block
  std::string url;            // instead of data (never fetched by weir)
  std::string file_id;        // instead of data: a file that the provider keeps
  std::string detail;         // of an image: "low", "high", "auto"
  std::string signature;      // of thinking, or of a tool call (Gemini's thought signature): opaque
  std::string cache_control;  // the block's cache marker as JSON ({"type":"ephemeral"}); empty: none
  bool is_error = false;      // a tool result that says the tool failed
  std::vector<Part> content;  // of a tool result: text and images
};

struct Message {
  Role role = Role::kUser;
  std::string name;  // of the participant, where a dialect has one
  std::vector<Part> parts;
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // JSON schema; empty: none given
  std::optional<bool> strict;
  std::string cache_control;
};

struct ToolChoice {
  enum class Kind : uint8_t { kUnset, kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kUnset;
  std::string name;              // kNamed
  std::optional<bool> parallel;  // may several tools be called at once
};

struct ResponseFormat {
  enum class Kind : uint8_t { kUnset, kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kUnset;
  std::string name;
  std::string description;
  std::string schema;  // JSON
  std::optional<bool> strict;
};

/// How much the model is to think. Dialects say it by effort or by tokens; each keeps what it was told.
struct Reasoning {
  std::optional<bool> enabled;
  std::string effort;  // "minimal", "low", "medium", "high" ...; empty: not said
  std::optional<int64_t> budget_tokens;
  std::optional<bool> show;  // include the thoughts in the answer
};

struct Request {
  std::vector<Message> messages;  // system messages where they stood
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  ResponseFormat format;
  Reasoning reasoning;
  std::optional<int64_t> max_tokens;  // of the answer
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> repetition_penalty;
  std::optional<int64_t> seed;
  std::optional<int64_t> answers;  // n; more than one answer to one request
  std::optional<bool> logprobs;
  std::optional<int64_t> top_logprobs;
  std::vector<std::string> stop;
  std::string user;          // the end user's id, as the caller names it
  std::string service_tier;  // "auto", "flex", "priority" ...
  bool stream = false;
  /// Parameters of the caller's dialect (by its names) that the tree has no place for.
  std::vector<std::string> unread;
};

enum class Finish : uint8_t {
  kStop,          // the model was done
  kStopSequence,  // it wrote one of the stop sequences
  kLength,        // max_tokens or the context's end
  kToolCalls,
  kContentFilter,  // somebody cut it off
  kRefusal,        // the model refused
  kPause,          // Anthropic's pause_turn: ask again with this answer
  kOther,
};

/// One step of an answer, in order. Streams and whole answers alike become a sequence of these:
///   start, then for each choice its blocks one after the other (open, text..., close) and its finish, usage
///   at any time (the last word counts, field by field), and end exactly once when the answer is whole.
/// Views are borrowed for the call.
struct Step {
  enum class Kind : uint8_t {
    kStart,      // id, model
    kOpen,       // a block begins: part; for a tool call id and name, for redacted thinking data
    kText,       // more of the open block: text, thinking, or the arguments' JSON, in pieces of any size
    kSignature,  // the open thinking block's (or tool call's) signature, or more of it
    kClose,      // the block is whole
    kFinish,     // the choice is whole: finish, text = the stop sequence if one is known
    kUsage,
    kEnd,
  };
  Kind kind = Kind::kStart;
  int choice = 0;
  PartKind part = PartKind::kText;  // of kOpen, and repeated on kText, kSignature and kClose
  std::string_view id;
  std::string_view name;  // of kOpen: the tool; of kStart: the model
  std::string_view text;
  Finish finish = Finish::kStop;
  const Usage* usage = nullptr;  // of kUsage
};

/// Takes an answer step by step.
class Sink {
 public:
  virtual void take(const Step& step) = 0;

 protected:
  ~Sink() = default;
};

/// A whole answer.
struct Answer {
  struct Choice {
    std::vector<Part> parts;
    std::optional<Finish> finish;
    std::string stop_sequence;
  };
  std::string id;
  std::string model;
  std::vector<Choice> choices;
  Usage usage;
  bool ended = false;
};

/// Puts steps together. Steps of a choice beyond `kChoicesMax` are dropped.
class Collector final : public Sink {
 public:
  static constexpr int kChoicesMax = 128;
  void take(const Step& step) override;
  Answer answer;
};

/// Hands `answer` to `sink` as the steps it came from would have been: one kText a block.
void replay(const Answer& answer, Sink& sink);

/// Names of what a translation could not carry, for the header x-weir-lossy: each once, in order.
class Losses {
 public:
  /// `field` in the caller's spelling, dots for what lies inside ("tools.cache_control").
  void add(std::string_view field);
  const std::vector<std::string>& fields() const { return fields_; }

 private:
  std::vector<std::string> fields_;
};

}  // namespace weir::exchange::chat
