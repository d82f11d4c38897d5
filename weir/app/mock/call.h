// Call: one request to the mock, understood. Its path says which dialect and operation it is, the dialect's
// wire reads it (what the wire refuses is refused as a real server would), and the script comes out of four
// places laid over each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "weir/app/mock/script.h"
#include "weir/wire/wire.h"

namespace weir::app {

/// What a path asks for. Prefixes ("/v1", "/v1beta") do not matter.
struct MockRoute {
  exchange::Dialect dialect = exchange::Dialect::kOpenAi;
  wire::Operation operation = wire::Operation::kChat;
  bool stream = false;  // Gemini says it in the path, and the model
  std::string model;
};
MockRoute mock_route(std::string_view path);

/// Scripts of this process: its default, and one for each of the next requests.
struct MockLayers {
  std::string_view before;  // the request's own script counts over it; empty: none
  std::string_view after;   // counts over all
};

struct MockCall {
  explicit MockCall(const MockRoute& r) : route(r), wire(wire::wire_of(r.dialect)) {}

  MockRoute route;
  const wire::Wire& wire;
  Script script;
  exchange::chat::Request asked;  // of chats and completions
  wire::AnswerContext context;
  bool stream = false;
  std::optional<exchange::Usage> used;  // by embeddings
  std::string body;  // of an answer that is no chat: embeddings, a count, a model that was loaded

  /// Errors: what the request's sender is to be told, in its dialect.
  Result<void> read(json::PaddedBuffer bytes, json::Parser& parser, const MockLayers& layers);
  bool is_chat() const { return body.empty(); }
};

/// A refusal instead of an answer.
struct MockRefusal {
  int status = 400;
  Error error;
};
/// What the script and the request's own faults come to; nullopt: it is answered.
std::optional<MockRefusal> mock_refusal(const MockCall& call);

}  // namespace weir::app
