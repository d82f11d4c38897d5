#include "weir/upstream/token_estimate.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::upstream {
namespace {

namespace chat = exchange::chat;

chat::Request saying(std::string text) {
  chat::Request request;
  request.messages.push_back({chat::Role::kUser, {}, {{.text = std::move(text)}}});
  return request;
}

TEST(TokenEstimate, GrowsWithWhatIsSaid) {
  EXPECT_EQ(estimated_tokens({}), 0);
  EXPECT_EQ(estimated_tokens(saying("")), 4);
  EXPECT_EQ(estimated_tokens(saying(std::string(400, 'a'))), 104);
  EXPECT_EQ(estimated_tokens(saying("\xe6\xb0\xb4\xe6\xb0\xb4")), 4 + 3);  // one and a half a character
  chat::Request tools = saying("x");
  tools.tools.push_back(
      {.name = "f", .description = std::string(40, 'd'), .parameters = std::string(80, 'p')});
  EXPECT_GT(estimated_tokens(tools), estimated_tokens(saying("x")) + 30);
  chat::Request image = saying("x");
  image.messages[0].parts.push_back({.kind = chat::PartKind::kImage, .data = std::string(1 << 20, 'A')});
  EXPECT_EQ(estimated_tokens(image), estimated_tokens(saying("x")) + 1600);
  chat::Request result = saying("x");
  result.messages[0].parts.push_back(
      {.kind = chat::PartKind::kToolResult, .content = {{.text = std::string(400, 'r')}}});
  EXPECT_EQ(estimated_tokens(result), estimated_tokens(saying("x")) + 100);
}

}  // namespace
}  // namespace weir::upstream
