// Milliseconds to embed one text, tokenizer included, one thread and one core. Needs `scripts/setup
// --models`:
//   WEIR_MODELS_DIR=$(scripts/setup --models-dir) taskset -c 1 build/release/embed_bench
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "weir/embed/embedder.h"

namespace {

std::string model_file(const char* name) {
  const char* dir = std::getenv("WEIR_MODELS_DIR");
  return std::string(dir ? dir : ".") + "/" + name;
}

std::string tokenizer_json() {
  std::ifstream in(model_file("embed-tokenizer.json"));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A text of exactly `tokens` tokens, [CLS] and [SEP] included: common words are one token each.
std::string text_of(int64_t tokens) {
  static constexpr const char* kWords[] = {"how", "do",      "i",    "change",  "the",  "address", "of",
                                           "my",  "account", "when", "support", "does", "not",     "answer"};
  std::string text;
  for (int64_t i = 0; i < tokens - 2; ++i)
    text += std::string(kWords[static_cast<size_t>(i) % std::size(kWords)]) + " ";
  return text;
}

void embed_text(benchmark::State& state) {
  auto embedder = weir::embed::Embedder::open({.library_path = model_file("libonnxruntime.so"),
                                               .model_path = model_file("embed.onnx"),
                                               .tokenizer_json = tokenizer_json()});
  if (!embedder) return state.SkipWithError(embedder.error().message.c_str());
  std::string text = text_of(state.range(0));
  for (auto _ : state) {
    auto embedding = (*embedder)->embed(text);
    if (!embedding || embedding->tokens != state.range(0))
      return state.SkipWithError("wrong number of tokens");
    benchmark::DoNotOptimize(embedding->values.data());
  }
}
BENCHMARK(embed_text)->Arg(16)->Arg(64)->Arg(128)->Arg(512)->Unit(benchmark::kMillisecond);

void tokenize_text(benchmark::State& state) {
  auto tokenizer = weir::embed::WordPiece::parse(tokenizer_json());
  if (!tokenizer) return state.SkipWithError(tokenizer.error().message.c_str());
  std::string text = text_of(state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(tokenizer->encode(text).data());
}
BENCHMARK(tokenize_text)->Arg(16)->Arg(128)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
