// Text -> vector: tokenizer, encoder, pooling, in one object. Immutable once open; every method is
// thread-safe, so several threads may embed at once (each run uses EmbedderOptions::threads more).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/embed/onnx_session.h"
#include "weir/embed/wordpiece.h"

namespace weir::embed {

enum class Pooling : uint8_t {
  kCls,   // the first token's vector (bge)
  kMean,  // the mean over all tokens (MiniLM, e5)
};

struct EmbedderOptions {
  std::string library_path;    // ONNX Runtime
  std::string model_path;      // .onnx
  std::string tokenizer_json;  // contents of the file, not its path
  int threads = 1;             // inside one run
  size_t max_tokens = 512;     // positions the model has, [CLS] and [SEP] included
  Pooling pooling = Pooling::kCls;
  bool normalize = true;  // to length 1, so that a dot product is the cosine
};

struct Embedding {
  std::vector<float> values;
  int tokens = 0;  // [CLS] and [SEP] included: what the model computed, what usage reports
};

class Embedder {
 public:
  /// Blocks. Runs the model once to learn its dimensions and to prove that it works. Errors: kConfig naming
  /// the file at fault.
  static Result<std::unique_ptr<Embedder>> open(EmbedderOptions options);

  /// Blocks: 3 ms at 16 tokens, 23 ms at 128 (bge-small int8). Errors: kInvalidRequest, param "input", when
  /// the text has more than max_tokens (never cut silently); kInternal when the runtime fails.
  Result<Embedding> embed(std::string_view text) const;

  /// The same for ids of this model's own vocabulary; [CLS] and [SEP] are put around them unless ids start
  /// with [CLS]. Errors: also kInvalidRequest, param "input", for an id outside the vocabulary.
  Result<Embedding> embed_ids(std::span<const TokenId> ids) const;

  /// Length of every vector.
  int dimensions() const { return dimensions_; }

 private:
  Embedder(EmbedderOptions options, WordPiece tokenizer, std::unique_ptr<OnnxSession> session);
  Result<Embedding> run(std::span<const TokenId> ids) const;

  EmbedderOptions options_;  // tokenizer_json emptied: half a megabyte nobody reads again
  WordPiece tokenizer_;
  std::unique_ptr<OnnxSession> session_;
  int dimensions_ = 0;
};

}  // namespace weir::embed
