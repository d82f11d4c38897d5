// Test support: where this folder's reference files and the downloaded models are. Tests that need a model
// are skipped, saying so, where nobody has run scripts/setup.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "weir/base/json.h"

namespace weir::embed::testing {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::string reference_file(const std::string& name) {
  std::string text = read_file(std::filesystem::path(__FILE__).parent_path() / "testdata" / name);
  EXPECT_FALSE(text.empty()) << name << " is missing";
  return text;
}

/// Calls f(elements) for each row of a reference file.
template <class F>
void for_each_row(const std::string& name, F&& f) {
  json::PaddedBuffer bytes(reference_file(name));
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  ASSERT_TRUE(document) << document.error().message;
  auto rows = json::elements_of(document->root.raw);
  ASSERT_FALSE(rows.empty());
  for (const json::Value& row : rows)
    f(json::elements_of(row.raw));
}

/// The folder of links that `scripts/setup --models` makes.
struct TestModels {
  std::filesystem::path root;
  std::string library() const { return root / "libonnxruntime.so"; }
  std::string model() const { return root / "embed.onnx"; }
  std::string tokenizer() const { return root / "embed-tokenizer.json"; }
  bool present() const {
    for (const std::string& path : {library(), model(), tokenizer()})
      if (!std::filesystem::exists(path)) return false;
    return true;
  }
};

/// WEIR_MODELS_DIR (scripts/test sets it), else any models-* folder of the cache that scripts/setup keeps.
inline TestModels test_models() {
  if (const char* dir = std::getenv("WEIR_MODELS_DIR")) return {dir};
  const char* cache = std::getenv("WEIR_CACHE");
  const char* home = std::getenv("HOME");
  std::filesystem::path root =
      cache ? std::filesystem::path(cache) : std::filesystem::path(home ? home : "/") / ".cache/weir";
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(root, none))
    if (TestModels models{entry.path()};
        entry.path().filename().string().starts_with("models-") && models.present())
      return models;
  return {root};
}

/// A file under the system's temporary directory, gone with this object.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, std::string_view bytes)
      : path_(std::filesystem::path(::testing::TempDir()) / (std::to_string(::getpid()) + name)) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace weir::embed::testing

#define WEIR_NEED_MODELS(models)                                                                       \
  auto models = ::weir::embed::testing::test_models();                                                 \
  if (!models.present()) {                                                                             \
    std::cout << "skipped: no models in " << models.root << " (scripts/setup --models brings them)\n"; \
    GTEST_SKIP() << "no models";                                                                       \
  }
