#include "weir/embed/embedder.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "weir/embed/test_models.h"

namespace weir::embed {
namespace {

using ::testing::HasSubstr;

EmbedderOptions options_for(const testing::TestModels& models) {
  return {.library_path = models.library(),
          .model_path = models.model(),
          .tokenizer_json = testing::read_file(models.tokenizer())};
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  auto dot = [](const std::vector<float>& x, const std::vector<float>& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

/// An open embedder, shared: loading takes 100 ms.
const Embedder& bge(const testing::TestModels& models) {
  static const std::unique_ptr<Embedder> kEmbedder = [&] {
    auto opened = Embedder::open(options_for(models));
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }();
  return *kEmbedder;
}

TEST(Embedder, GivesTheReferenceVectors) {
  WEIR_NEED_MODELS(models);
  EXPECT_EQ(bge(models).dimensions(), 384);
  int rows = 0;
  testing::for_each_row("embedding_reference.json", [&](const std::vector<json::Value>& row) {
    std::vector<float> expected;
    for (const json::Value& x : json::elements_of(row[2].raw))
      expected.push_back(static_cast<float>(*x.as_double()));
    auto got = bge(models).embed(*row[0].as_string());
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(got->values.size(), expected.size());
    EXPECT_EQ(got->tokens, *row[1].as_int());
    EXPECT_GE(cosine(got->values, expected), 0.999) << *row[0].as_string();
    EXPECT_NEAR(cosine(got->values, got->values), 1.0, 1e-6);
    ++rows;
  });
  EXPECT_EQ(rows, 8);
}

TEST(Embedder, LikeTextsAreNearUnlikeTextsAreFar) {
  WEIR_NEED_MODELS(models);
  auto vector = [&](std::string_view text) { return bge(models).embed(text)->values; };
  auto question = vector("How do I reset my password?");
  EXPECT_GT(cosine(question, vector("I forgot my password, how can I change it?")),
            cosine(question, vector("What is the capital of France?")) + 0.1);
}

TEST(Embedder, RefusesATextThatIsTooLong) {
  WEIR_NEED_MODELS(models);
  std::string text;
  for (int i = 0; i < 510; ++i)
    text += "hello ";
  auto longest = bge(models).embed(text);
  ASSERT_TRUE(longest) << longest.error().message;
  EXPECT_EQ(longest->tokens, 512);
  auto longer = bge(models).embed(text + "hello");
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(longer.error().param, "input");
  EXPECT_THAT(longer.error().safe, HasSubstr("513 tokens"));
}

TEST(Embedder, TakesIdsOfItsVocabulary) {
  WEIR_NEED_MODELS(models);
  auto text = bge(models).embed("hello world");
  std::vector<TokenId> bare = {7592, 2088}, framed = {101, 7592, 2088, 102};
  auto from_bare = bge(models).embed_ids(bare), from_framed = bge(models).embed_ids(framed);
  ASSERT_TRUE(text && from_bare && from_framed);
  EXPECT_EQ(from_bare->values, text->values);
  EXPECT_EQ(from_framed->values, text->values);
  EXPECT_EQ(from_bare->tokens, 4);
  for (TokenId bad : {TokenId{-1}, TokenId{30522}, TokenId{1} << 40}) {
    std::vector<TokenId> ids = {7592, bad};
    auto refused = bge(models).embed_ids(ids);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidRequest);
    EXPECT_EQ(refused.error().param, "input");
  }
}

TEST(Embedder, MeanPoolingIsTheMeanOfTheRows) {
  WEIR_NEED_MODELS(models);
  EmbedderOptions options = options_for(models);
  options.pooling = Pooling::kMean;
  options.normalize = false;
  auto mean = Embedder::open(options);
  auto session = OnnxSession::open({.library_path = models.library(), .model_path = models.model()});
  ASSERT_TRUE(mean && session);
  std::vector<TokenId> ids = {101, 7592, 2088, 102};
  auto hidden = (*session)->run(ids);
  auto got = (*mean)->embed_ids(ids);
  ASSERT_TRUE(hidden && got);
  for (size_t c = 0; c < hidden->columns; ++c) {
    float sum = 0;
    for (size_t r = 0; r < hidden->rows; ++r)
      sum += hidden->row(r)[c];
    ASSERT_NEAR(got->values[c], sum / 4, 1e-4F);
  }
}

TEST(Embedder, SeveralThreadsGetTheSameVectors) {
  WEIR_NEED_MODELS(models);
  const Embedder& embedder = bge(models);
  const std::array<std::string, 3> texts = {"one", "two three", "a longer text about rivers and weirs"};
  std::vector<std::vector<float>> expected;
  for (const std::string& text : texts)
    expected.push_back(embedder.embed(text)->values);
  std::array<int, 4> wrong{};
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong)
      threads.emplace_back([&] {
        for (size_t i = 0; i < 30; ++i)
          count += embedder.embed(texts[i % 3])->values != expected[i % 3];
      });
  }
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

TEST(Embedder, OpenNamesTheFileAtFault) {
  WEIR_NEED_MODELS(models);
  auto message = [](EmbedderOptions options) {
    auto opened = Embedder::open(std::move(options));
    EXPECT_FALSE(opened);
    return opened ? std::string() : opened.error().message;
  };
  EmbedderOptions options = options_for(models);
  options.library_path = "/nowhere/onnx.so";
  EXPECT_THAT(message(options), HasSubstr("/nowhere/onnx.so"));
  options = options_for(models);
  options.model_path = "/nowhere/model.onnx";
  EXPECT_THAT(message(options), HasSubstr("/nowhere/model.onnx"));
  options = options_for(models);
  options.tokenizer_json = "{}";
  EXPECT_THAT(message(options), HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace weir::embed
