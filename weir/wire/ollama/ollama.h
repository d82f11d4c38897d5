// The Ollama wire: /api/chat, /api/generate, /api/embed and the older /api/embeddings, streams as lines of
// JSON, and the bodies of the lists that Ollama's clients read (/api/tags, /api/show, /api/ps, /api/version).
// Source of the shapes: Ollama's API reference and its server's request and answer types.
//
// What is particular to it:
// - A request streams unless it says "stream":false.
// - The two embedding endpoints are one operation. The request's own members tell them apart: `input` is
//   /api/embed, `prompt` is /api/embeddings (answered with one bare vector); both at once are refused.
// - A tool call's arguments are an object, whole. A writer towards an Ollama caller therefore has to collect
//   one call's arguments until its block closes, kArgumentsBytesMax at most; nothing else is held back.
// - Tool calls of older servers and of many clients carry no ids. Those that are missing are made up from
//   what is there, the same for the same bytes.
// - A request without messages, or a generation without prompt, asks to load (or unload) the model and
//   generates nothing: see load_answer().
// - The model "x" is the model "x:latest": the real server adds the tag where it reads a name and shows every
//   name with its tag in its lists. The wire leaves request.model as the caller wrote it and answers with
//   the same; who looks a model up for an Ollama caller tries the name, then other_spelling() of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/wire/wire.h"

namespace weir::wire::ollama {

const Wire& ollama_wire();

/// Of one tool call in a stream. Beyond it the stream ends with an error line. Ollama's own client refuses
/// lines above 8 MiB.
inline constexpr size_t kArgumentsBytesMax = size_t{4} << 20;

/// The version of Ollama whose API this wire speaks: clients ask for it and refuse older ones.
inline constexpr std::string_view kVersion = "0.13.0";

/// The answer to a request that only loads or unloads a model; nullopt: it is for a model. Requires:
/// read_request() took it.
std::optional<std::string> load_answer(const AnswerContext& context, const exchange::ModelRequest& request);

/// "m" -> "m:latest"; "host:80/m:tag" as it is.
std::string with_tag(std::string_view model);
/// The other name of the same model: "m:latest" -> "m", "m" -> "m:latest"; empty: it has a tag of its own.
std::string other_spelling(std::string_view model);

/// "2026-11-21T08:15:30.123456789Z"
std::string timestamp(WallTime time);

/// A model as the lists show it. Empty and 0: not known.
struct ModelFacts {
  std::string name;    // shown with its tag
  std::string digest;  // 64 hex digits
  std::string format;  // "gguf"
  std::string family;  // "llama"
  std::string parameter_size;
  std::string quantization;
  std::vector<std::string>
      capabilities;  // "completion", "tools", "vision", "thinking", "embedding", "insert"
  int64_t context_length = 0;
  int64_t embedding_length = 0;
  int64_t parameter_count = 0;
  int64_t bytes = 0;
  int64_t bytes_in_gpu = 0;
  WallTime modified;
  WallTime expires;
};

/// {"models":[...]} of GET /api/tags.
std::string tags_body(const std::vector<ModelFacts>& models);
/// {"models":[...]} of GET /api/ps: those that are loaded.
std::string ps_body(const std::vector<ModelFacts>& models);
/// Of POST /api/show.
std::string show_body(const ModelFacts& model);
/// {"version":"..."}
std::string version_body(std::string_view version = kVersion);

}  // namespace weir::wire::ollama
