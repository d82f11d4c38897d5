#include "weir/exchange/exchange.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::exchange {
namespace {

TEST(Principal, MayUseWhatItsPatternsSay) {
  EXPECT_TRUE((Principal::with_key("p").may_use("anything")));
  std::vector<std::string> some{"exact", "family-*"};
  EXPECT_TRUE((Principal{}.may_use("anything")));
  Principal p = Principal::with_key("p", some);
  EXPECT_TRUE(p.may_use("exact"));
  EXPECT_TRUE(p.may_use("family-"));
  EXPECT_TRUE(p.may_use("family-large"));
  for (std::string_view other : {"exact2", "exac", "family", "Exact", "", "*", "a-family-x"})
    EXPECT_FALSE(p.may_use(other)) << other;
}

TEST(Principal, MayCallWhatItsKeyIsTrustedWith) {
  std::vector<std::string> some{"whisper-1"};
  std::optional<PassedApis> unsaid, files = PassedApis{}, nothing = PassedApis{};
  files->add(PassedApi::kFiles);
  auto may = [](const Principal& p) {
    std::string words;
    for (PassedApi api :
         {PassedApi::kAudio, PassedApi::kFiles, PassedApi::kBatches, PassedApi::kOrganization})
      if (p.may_call(api)) words += std::string(weir::name(api)) + " ";
    return words;
  };
  EXPECT_EQ(may(Principal::with_key("p", {}, unsaid)), "audio files batches ");
  EXPECT_EQ(may(Principal::with_key("p", some, unsaid)), "audio ");
  EXPECT_EQ(may(Principal::with_key("p", some, files)), "files ");
  EXPECT_EQ(may(Principal::with_key("p", {}, nothing)), "");
  EXPECT_EQ(may({}), "audio ");
}

TEST(PassedApi, HasOneWord) {
  for (int i = 0; i < kPassedApis; ++i)
    EXPECT_EQ(passed_api(weir::name(static_cast<PassedApi>(i))), static_cast<PassedApi>(i));
  EXPECT_FALSE(passed_api("everything"));
}

TEST(Usage, LaterFramesHaveTheLastWordFieldByField) {
  Usage usage;
  EXPECT_FALSE(usage.known());
  usage.merge({.input_tokens = 10, .output_tokens = 1});
  usage.merge({.output_tokens = 5, .reasoning_tokens = 2});
  usage.merge({});
  EXPECT_EQ(usage.input_tokens, 10);
  EXPECT_EQ(usage.output_tokens, 5);
  EXPECT_EQ(usage.reasoning_tokens, 2);
  EXPECT_FALSE(usage.cached_input_tokens);
  EXPECT_TRUE(usage.known());
  usage.merge({.output_tokens = 0});  // reported zero is a report
  EXPECT_EQ(usage.output_tokens, 0);
}

TEST(Operation, HasItsName) {
  EXPECT_EQ(name(Operation::kChat), "chat");
  EXPECT_EQ(name(Operation::kCompletion), "completion");
  EXPECT_EQ(name(Operation::kEmbedding), "embedding");
}

}  // namespace
}  // namespace weir::exchange
