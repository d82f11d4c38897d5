#include "weir/embed/onnx_session.h"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "weir/embed/shared_library.h"
#include "weir/embed/test_models.h"

namespace weir::embed {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFile;

constexpr std::array<int64_t, 4> kHelloWorld = {101, 7592, 2088, 102};

/// The message of a refusal; "" when there is none.
template <class T>
std::string refusal(const Result<T>& result) {
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kConfig);
  EXPECT_EQ(result.error().safe, "");  // paths are not for callers
  return result.error().message;
}

TEST(SharedLibrary, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(refusal(SharedLibrary::open("/nowhere/lib.so")),
              AllOf(HasSubstr("/nowhere/lib.so"), HasSubstr("No such file")));
  TemporaryFile empty("empty.so", "");
  TemporaryFile text("text.so", std::string(4096, 'x'));
  TemporaryFile magic("magic.so", std::string("\x7f"
                                              "ELF\x02\x01\x01",
                                              7) +
                                      std::string(9, '\0') + std::string(4096, '\xff'));
  EXPECT_THAT(refusal(SharedLibrary::open(empty.path())), HasSubstr("no 64-bit ELF"));
  EXPECT_THAT(refusal(SharedLibrary::open(text.path())), HasSubstr("no 64-bit ELF"));
  EXPECT_NE(refusal(SharedLibrary::open(magic.path())), "");
  EXPECT_NE(refusal(SharedLibrary::open(::testing::TempDir())), "");  // a directory
}

TEST(SharedLibrary, FindsACutFileBeforeTheLoaderMapsIt) {
  // Our own program is a whole ELF file, so any part of it is a cut one.
  std::string whole = testing::read_file("/proc/self/exe");
  for (size_t bytes : {size_t{64}, size_t{100}, size_t{4096}, whole.size() / 2, whole.size() - 1}) {
    TemporaryFile cut("cut.so", std::string_view(whole).substr(0, bytes));
    EXPECT_THAT(refusal(SharedLibrary::open(cut.path())), HasSubstr("cut short")) << bytes;
  }
}

TEST(OnnxSession, RefusesALibraryThatIsNotTheRuntime) {
  Dl_info libc{};  // whatever library has printf: whole, and not ONNX Runtime
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&std::printf), &libc), 0);
  if (!std::string_view(libc.dli_fname).contains(".so"))
    GTEST_SKIP() << "printf is linked statically or wrapped";
  EXPECT_THAT(refusal(OnnxSession::open({.library_path = libc.dli_fname, .model_path = "m.onnx"})),
              AllOf(HasSubstr(libc.dli_fname), HasSubstr("not ONNX Runtime")));
}

TEST(OnnxSession, RefusesADamagedModel) {
  WEIR_NEED_MODELS(models);
  auto open = [&](const std::string& path) {
    return refusal(OnnxSession::open({.library_path = models.library(), .model_path = path}));
  };
  EXPECT_THAT(open("/nowhere/model.onnx"),
              AllOf(HasSubstr("/nowhere/model.onnx"), HasSubstr("ONNX Runtime: ")));
  std::string whole = testing::read_file(models.model());
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{1000}, whole.size() / 2, whole.size() - 100}) {
    TemporaryFile cut("cut.onnx", std::string_view(whole).substr(0, bytes));
    EXPECT_THAT(open(cut.path()), AllOf(HasSubstr(cut.path()), HasSubstr("ONNX Runtime: "))) << bytes;
  }
  TemporaryFile garbage("garbage.onnx", std::string(100'000, 'x'));
  EXPECT_NE(open(garbage.path()), "");
}

TEST(OnnxSession, GivesOneVectorAToken) {
  WEIR_NEED_MODELS(models);
  for (int threads : {1, 2}) {
    auto session = OnnxSession::open(
        {.library_path = models.library(), .model_path = models.model(), .threads = threads});
    ASSERT_TRUE(session) << session.error().message;
    auto hidden = (*session)->run(kHelloWorld);
    ASSERT_TRUE(hidden) << hidden.error().message;
    EXPECT_EQ(hidden->rows, kHelloWorld.size());
    EXPECT_EQ(hidden->columns, 384U);
    EXPECT_EQ(hidden->values.size(), hidden->rows * hidden->columns);
  }
}

TEST(OnnxSession, HandsBackTheRuntimesErrors) {
  WEIR_NEED_MODELS(models);
  auto session = OnnxSession::open({.library_path = models.library(), .model_path = models.model()});
  ASSERT_TRUE(session) << session.error().message;
  auto failed = [&](const Result<Matrix>& result) {
    EXPECT_FALSE(result);
    return result ? std::string() : result.error().message;
  };
  std::vector<int64_t> more_than_positions(513, 7592);
  EXPECT_THAT(failed((*session)->run(more_than_positions)), HasSubstr("ONNX Runtime: "));
  std::array<int64_t, 3> outside = {101, 1'000'000, 102};
  EXPECT_THAT(failed((*session)->run(outside)), HasSubstr("ONNX Runtime: "));
  EXPECT_TRUE((*session)->run(kHelloWorld)) << "still good after errors";

  auto other = OnnxSession::open(
      {.library_path = models.library(), .model_path = models.model(), .output = "no_such"});
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_THAT(failed((*other)->run(kHelloWorld)), HasSubstr("no_such"));
}

}  // namespace
}  // namespace weir::embed
