// One transformer encoder in ONNX Runtime: token ids in, one vector a token out. One text a run: int8 models
// quantise activations per call, and texts padded into one batch pull each other to cosine .98 (measured).
// The runtime is a library bound at run time through its C function table. run() is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weir/base/result.h"

namespace weir::embed {

struct OnnxSessionOptions {
  std::string library_path;  // libonnxruntime.so of release 1.17 or later
  std::string model_path;    // .onnx with int64 inputs input_ids, attention_mask, token_type_ids
  std::string output = "last_hidden_state";
  int threads = 1;  // inside one run; more than one spins between runs
};

/// Row-major: row r of `columns` floats belongs to token r.
struct Matrix {
  size_t rows = 0, columns = 0;
  std::vector<float> values;
  std::span<const float> row(size_t r) const { return std::span(values).subspan(r * columns, columns); }
};

class OnnxSession {
 public:
  /// Blocks (100 ms for 34 MB). Errors: kConfig with the file's path and the runtime's own message.
  static Result<std::unique_ptr<OnnxSession>> open(const OnnxSessionOptions& options);
  ~OnnxSession();

  /// Blocks: milliseconds, growing with the number of ids. Requires ids of the model's vocabulary. Errors:
  /// kInternal with the runtime's message (no such input or output, more ids than positions, wrong shape).
  Result<Matrix> run(std::span<const int64_t> ids) const;

 private:
  struct Handles;
  explicit OnnxSession(std::unique_ptr<Handles> handles);
  std::unique_ptr<Handles> handles_;
};

}  // namespace weir::embed
