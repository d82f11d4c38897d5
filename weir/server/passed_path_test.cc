#include "weir/server/passed_path.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::server {
namespace {

std::string api(std::string_view path) {
  auto found = passed_path(path);
  if (!found) return "none";
  return std::string(name(found->api)) + (found->anthropic ? " of anthropic" : "");
}

TEST(PassedPath, SaysWhoseItIs) {
  EXPECT_EQ(api("/v1/audio/speech"), "audio");
  EXPECT_EQ(api("/v1/audio/speech/x"), "none");
  EXPECT_EQ(api("/v1/audio"), "none");
  EXPECT_EQ(api("/v1/images/edits"), "images");
  EXPECT_EQ(api("/v1/files"), "files");
  EXPECT_EQ(api("/v1/files/file-1/content"), "files");
  EXPECT_EQ(api("/v1/filesystem"), "none");
  EXPECT_EQ(api("/v1/models/ft:m"), "fine_tuning");
  EXPECT_EQ(api("/v1/messages/batches/b/results"), "batches of anthropic");
  EXPECT_EQ(api("/v1/batches"), "batches");
  EXPECT_EQ(api("/v1/threads/t/runs"), "assistants");
  EXPECT_EQ(api("/v1/projects/p"), "organization");
  for (std::string_view other :
       {"/", "/v1", "/v1/", "/files", "/v2/files", "/v1/models", "/v1/messages", "/V1/files", "//v1/files"})
    EXPECT_EQ(api(other), "none") << other;
}

TEST(PlainPath, MeansTheSameToEveryReader) {
  for (std::string_view good :
       {"/v1/files", "/v1/files/file-1", "/v1/fine_tuning/checkpoints/ft:gpt-4o:org::id/permissions",
        "/v1/models/ft%3Agpt-4o", "/v1/files/a.b", "/v1/files/...", "/v1/x/~a@b"})
    EXPECT_TRUE(is_plain_path(good)) << good;
  for (std::string_view bad : {"",
                               "v1",
                               "/",
                               "/v1/",
                               "/v1//files",
                               "/v1/./files",
                               "/v1/..",
                               "/v1/files/..",
                               "/v1/files/../models",
                               "/v1/files/%2e%2e",
                               "/v1/files/%2E%2e/organization",
                               "/v1/files/a%2Fb",
                               "/v1/files/a%2fb",
                               "/v1/files/a%5cb",
                               "/v1/files/a\\b",
                               "/v1/files/%252e",
                               "/v1/files/a%00",
                               "/v1/files/a%0d",
                               "/v1/files/a%",
                               "/v1/files/a%2",
                               "/v1/files/a%zz",
                               "/v1/files/a%3Fb",
                               "/v1/files/a%23",
                               "/v1/files/a b",
                               "/v1/files/\xc3\xa4",
                               "/v1/files/a%C3%A4",
                               "/v1/files/a\"b",
                               "/v1/files/<a>",
                               "/v1/files/a%3Bb"})
    EXPECT_FALSE(is_plain_path(bad)) << bad;
}

}  // namespace
}  // namespace weir::server
