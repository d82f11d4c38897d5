#include "weir/base/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <new>
#include <string>
#include <utility>

namespace weir {
namespace {

template <class T>
concept Streams = requires(std::ostream& out, const T& value) { out << value; };
static_assert(Streams<std::string>);
static_assert(!Streams<Secret>);
static_assert(fmt::is_formattable<std::string>::value);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);

TEST(Secret, RevealsAndCompares) {
  Secret a(std::string("sk-one")), b(std::string_view("sk-one")), c(std::string_view("sk-two")), empty;
  EXPECT_EQ(a.reveal(), "sk-one");
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(a == c);
  EXPECT_TRUE(empty.empty());
  EXPECT_FALSE(a.empty());
}

TEST(Secret, TestsPrintStars) {
  EXPECT_EQ(testing::PrintToString(Secret(std::string_view("sk-one"))), "***");
}

TEST(Secret, CopyMoveAssign) {
  for (std::string text : {std::string("short"), std::string(200, 'x')}) {
    Secret a{std::string_view(text)};
    Secret copy = a;
    EXPECT_TRUE(copy == a);
    Secret moved = std::move(a);
    EXPECT_EQ(moved.reveal(), text);
    EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): emptied, as promised
    Secret target(std::string_view("old"));
    target = std::move(moved);
    EXPECT_EQ(target.reveal(), text);
    copy = target;
    EXPECT_TRUE(copy == target);
    Secret& self = copy;
    copy = self;
    EXPECT_EQ(copy.reveal(), text);
  }
}

TEST(Secret, TakesTheTextAway) {
  std::string text = "sk-taken";
  const char* bytes = text.data();
  Secret a(std::move(text));
  EXPECT_TRUE(text.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_STRNE(bytes + 1, "k-taken");
}

// A short text lives inside the object: what its memory holds after the destructor can be read, since the
// memory is this test's.
TEST(Secret, WipesItsMemoryWhenItDies) {
  alignas(Secret) std::byte memory[sizeof(Secret)];
  auto holds_text = [&] {
    const char* first = reinterpret_cast<const char*>(memory);
    return std::string_view(first, sizeof memory).find("s3cr3t") != std::string_view::npos;
  };
  Secret* secret = new (memory) Secret(std::string_view("s3cr3t"));
  ASSERT_TRUE(holds_text()) << "this test would prove nothing";
  secret->~Secret();
  EXPECT_FALSE(holds_text());

  secret = new (memory) Secret(std::string_view("s3cr3t"));
  Secret elsewhere = std::move(*secret);
  EXPECT_FALSE(holds_text());
  secret->~Secret();
}

TEST(Secret, WipeCoversSpareCapacity) {
  std::string text = "0123456789-0123456789-0123456789";
  text.resize(4);
  const char* bytes = text.data();
  wipe(text);
  EXPECT_TRUE(text.empty());
  text.resize(text.capacity() - 1);
  EXPECT_EQ(text.data(), bytes);
  EXPECT_EQ(text.find_first_not_of('\0'), std::string::npos);
}

}  // namespace
}  // namespace weir
