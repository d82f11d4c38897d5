#include "weir/server/multipart_model.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::server {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=xyz";

std::string part(std::string_view name, std::string_view value, std::string_view more = {}) {
  return "--xyz\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"" + std::string(more) +
         "\r\n\r\n" + std::string(value) + "\r\n";
}
constexpr std::string_view kEnd = "--xyz--\r\n";

// What it says of a body given in pieces of `step` bytes: the model, or why not.
std::string said(std::string_view body, size_t step, std::string_view type = kType) {
  auto made = MultipartModel::of(type);
  if (!made) return "refused: " + made.error().message;
  for (size_t at = 0; at < body.size(); at += step)
    if (auto fed = made->feed(body.substr(at, step)); !fed) return "refused: " + fed.error().message;
  if (auto whole = made->finish(); !whole) return "refused: " + whole.error().message;
  if (!made->model()) return "none";
  EXPECT_EQ(body.substr(static_cast<size_t>(made->model_begin()), made->model()->size()), *made->model());
  return *made->model();
}

// The verdict depends on the bytes alone, never on the pieces they came in.
std::string said(std::string_view body) {
  std::string whole = said(body, std::max<size_t>(body.size(), 1));
  for (size_t step : {1, 2, 3, 7, 64})
    EXPECT_EQ(said(body, step), whole) << "in pieces of " << step << ": " << body;
  return whole;
}

TEST(MultipartModel, TheBoundOfAPartsHeadersIsTheSameInPieces) {
  constexpr std::string_view kOpening = "--xyz\r\n";
  constexpr std::string_view kStart = "Content-Disposition: form-data; name=\"model\"; filename=\"";
  for (size_t bytes : {8189, 8192, 8193}) {
    std::string headers = std::string(kStart) + std::string(bytes - kStart.size() - 1, 'a') + '"';
    std::string body = std::string(kOpening) + headers + "\r\n\r\nm\r\n" + std::string(kEnd);
    EXPECT_EQ(said(body) == "m", bytes <= 8192) << bytes;
  }
}

TEST(MultipartModel, FindsTheModelWhereverItStands) {
  std::string file = part("file", "RIFF\r\n--xy\r\n-- \r\n--xyzz no boundary", "; filename=\"a.wav\"");
  EXPECT_EQ(said(part("model", "whisper-1") + part("language", "de") + std::string(kEnd)), "whisper-1");
  EXPECT_EQ(said(part("language", "de") + part("model", "whisper-1") + std::string(kEnd)), "whisper-1");
  EXPECT_EQ(said(part("file", "RIFF\r\n--xy\r\n-- \r\n", "; filename=\"a;b.wav\"") + part("model", "m") +
                 std::string(kEnd)),
            "m");
  EXPECT_EQ(said(part("language", "de") + "--xyz--"), "none");
  EXPECT_EQ(said(part("prompt", "") + part("model", "m") + "--xyz--"), "m");
  EXPECT_EQ(said("--xyz\r\nContent-Type: "
                 "text/plain\r\ncontent-disposition:form-data;name=\"model\"\r\n\r\nm\r\n--xyz--"),
            "m");
}

TEST(MultipartModel, RefusesWhatTwoReadersCouldReadDifferently) {
  std::string good = part("model", "m");
  for (const std::string& bad : std::vector<std::string>{
           "",
           "x" + good + std::string(kEnd),  // a preamble
           "\r\n" + good + std::string(kEnd),
           good,  // no end
           good + "--xyz-",
           good + std::string(kEnd) + "x",                 // something behind the end
           good + part("model", "n") + std::string(kEnd),  // two models
           good + part("Model", "n") + std::string(kEnd),
           good + part(" model", "n") + std::string(kEnd),
           part("mo\\del", "m") + std::string(kEnd),
           part("model", "m", "; name=\"other\"") + std::string(kEnd),
           part("model", "m", "; charset=utf-7") + std::string(kEnd),
           part("model", std::string(300, 'm')) + std::string(kEnd),
           "--xyz\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data; name*=utf-8''model\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: attachment; name=\"model\"\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data;\r\n name=\"model\"\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data; name=\"model\"\n\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data; name=\"model\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data\r\n\r\nm\r\n--xyz--",
           "--xyz\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Type: text/plain\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: "
           "base64\r\n\r\nbQ==\r\n--xyz--",
           "--xyz \r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--xyz--",
           "--xyz\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Disposition: form-data; "
           "name=\"x\"\r\n\r\nm\r\n--xyz--"})
    EXPECT_TRUE(said(bad).starts_with("refused: ")) << bad;
  for (std::string_view type :
       {"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a b\"",
        "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=\"a"})
    EXPECT_TRUE(said(good + std::string(kEnd), 10, type).starts_with("refused: ")) << type;
  EXPECT_EQ(said(part("model", "m") + std::string(kEnd), 10,
                 "multipart/form-data; charset=utf-8; boundary=\"xyz\""),
            "m");
}

// However long the body is, only what could be a delimiter's beginning is kept; 1,000 parts are the limit.
TEST(MultipartModel, BoundsItsWork) {
  std::string many;
  for (int i = 0; i < 1100; ++i)
    many += part("a", "b");
  EXPECT_TRUE(said(many + std::string(kEnd), 4096).starts_with("refused: "));
  std::string header = "--xyz\r\nContent-Disposition: form-data; name=\"" + std::string(10'000, 'a');
  EXPECT_TRUE(said(header, 100).starts_with("refused: "));
}

}  // namespace
}  // namespace weir::server
