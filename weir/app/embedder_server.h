// The HTTP side of `weir embedder`: the OpenAI wire of /v1/embeddings over one embedding model. Requests are
// read and answered on the loop; every text is embedded, and its vector written as JSON, on worker threads,
// so the loop never waits for a model. Single loop.
//   POST /v1/embeddings   input: string, strings, token ids or lists of them; encoding_format float | base64
//   GET /v1/models, GET /health
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "weir/base/json.h"
#include "weir/embed/embedder.h"
#include "weir/http/server.h"

namespace weir::app {

/// One text, or the token ids it was already made of.
using EmbeddingInput = std::variant<std::string, std::vector<embed::TokenId>>;

struct EmbeddingModel {
  std::string name;
  int dimensions = 0;
  /// Called on worker threads, several at once: thread-safe.
  std::function<Result<embed::Embedding>(const EmbeddingInput&)> embed;
};

/// What a request body asks for, checked.
struct EmbeddingRequest {
  std::vector<EmbeddingInput> inputs;  // at least one, none empty
  bool is_list = false;                // several inputs were possible: errors name the index
  bool base64 = false;
};

struct EmbedderServerOptions {
  size_t body_bytes_max = 8 << 20;
  size_t inputs_max = 2048;          // of one request
  size_t inputs_waiting_max = 4096;  // of all requests; beyond: 503 with Retry-After
  int workers = 1;                   // texts of one request embedded at once
};

/// Errors: kInvalidRequest naming the parameter, kNotFound for another model's name.
Result<EmbeddingRequest> read_embedding_request(const json::Document& document, const EmbeddingModel& model,
                                                size_t inputs_max);

class EmbedderServer final : public http::Handler {
 public:
  EmbedderServer(io::Loop& loop, EmbeddingModel model, EmbedderServerOptions options);

  io::Task<void> serve(http::Request& request, http::ResponseWriter& response) override;
  std::string error_body(const Error& error) override;

 private:
  struct Batch;
  io::Task<Result<std::string>> embeddings(http::Request& request);
  io::Task<Result<std::string>> run(const EmbeddingRequest& request, io::Cancel& cancel);
  io::Task<void> work_through(Batch& batch, io::Cancel& cancel);

  io::Loop& loop_;
  const EmbeddingModel model_;
  const EmbedderServerOptions options_;
  json::Parser parser_;
  size_t inputs_waiting_ = 0;
};

}  // namespace weir::app
