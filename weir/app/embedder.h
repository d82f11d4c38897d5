// `weir embedder`: one embedding model in a process of its own, on a private Unix socket, so that neither a
// crash nor the memory of an inference library reaches the gateway. Started and watched by `weir serve`.
#pragma once

#include <string>

namespace weir::app {

struct EmbedderCommand {
  std::string socket;           // path of the Unix socket to serve on
  std::string library;          // path of the ONNX Runtime library
  std::string model;            // path of the .onnx file
  std::string tokenizer;        // path of tokenizer.json
  std::string model_name;       // the name it answers to; empty: the model file's, without ending
  std::string pooling = "cls";  // "cls" (bge) or "mean" (MiniLM, e5)
  int threads = 1;              // texts embedded at once, each on one thread; 0: one for each core but one
};

/// Loads the model, opens the socket, prints "ready url=unix:PATH" and serves until SIGTERM. Blocks. Answers
/// with the process's exit code; what went wrong is on standard error.
int run_embedder(const EmbedderCommand& command);

}  // namespace weir::app
