#include "weir/wire/model_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<ListedModel> read(std::string_view text) {
  json::Parser parser;
  json::PaddedBuffer bytes(text);
  auto document = parser.parse(bytes.view());
  EXPECT_TRUE(document) << text;
  return document ? read_model_list(*document) : std::vector<ListedModel>();
}

std::vector<std::string> names(std::string_view text) {
  std::vector<std::string> all;
  for (const ListedModel& model : read(text))
    all.push_back(model.name);
  return all;
}

TEST(ModelList, OfEachDialect) {
  EXPECT_THAT(names(R"({"object":"list","data":[{"id":"a"},{"id":"b/c"}]})"), ElementsAre("a", "b/c"));
  EXPECT_THAT(names(R"({"models":[{"name":"llama3:latest","model":"llama3:latest"}]})"),
              ElementsAre("llama3:latest"));
  EXPECT_THAT(names(R"({"models":[{"name":"models/gemini-pro"}]})"), ElementsAre("gemini-pro"));
  // llama.cpp says both.
  EXPECT_THAT(names(R"({"models":[{"name":"x"}],"data":[{"id":"y"}]})"), ElementsAre("y"));
}

TEST(ModelList, KeepsWhatWeirDoesNotWrite) {
  std::vector<ListedModel> models = read(
      R"({"data":[{"id":"a","aliases":["b"],"object":"model","created":12,"owned_by":"x","meta":{"n":1}},)"
      R"({"id":"c","created":"yesterday","k\"":null}]})");
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].created, 12);
  EXPECT_EQ(models[0].more, R"("aliases":["b"],"meta":{"n":1})");
  EXPECT_EQ(models[1].created, std::nullopt);
  EXPECT_EQ(models[1].more, R"("k\"":null)");
}

TEST(ModelList, TakesNothingThatIsNoListOfModels) {
  for (std::string_view text :
       {"[]", "{}", "7", R"({"data":{}})", R"({"data":[1,null,[]]})", R"({"data":[{"id":7}]})",
        R"({"models":[{"model":"x"}]})", R"({"data":[{"id":""},{"id":"a\nb"},{"id":"ä"}]})"})
    EXPECT_THAT(names(text), IsEmpty()) << text;
  for (std::string_view created : {"-1", "9000000001", "1.5", "null"})
    EXPECT_EQ(read(R"({"data":[{"id":"a","created":)" + std::string(created) + "}]}").at(0).created,
              std::nullopt);
}

TEST(ModelList, IsBounded) {
  std::string text = R"({"data":[{"id":"a","more":")" + std::string(kMoreBytesMax, 'x') + "\"}";
  for (size_t i = 0; i < kListedModelsMax; ++i)
    text += R"(,{"id":"m)" + std::to_string(i) + "\"}";
  std::vector<ListedModel> models = read(text + "]}");
  EXPECT_EQ(models.size(), kListedModelsMax);
  EXPECT_EQ(models[0].more, "");
}

}  // namespace
}  // namespace weir::wire
