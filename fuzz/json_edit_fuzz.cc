// JSON splicing: the input builds a document that is always valid (so that no time goes into refusals) and
// then edits it; the edited bytes must parse to the tree that the slow model says, and every value that no
// edit touched must stand in them byte for byte, spaces and escapes included. An input that begins as a
// document does is one, as strangers write them, and its own hash draws the edits.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/pieces.h"
#include "weir/base/json.h"
#include "weir/base/json_edit_model.h"

namespace {

using weir::fuzz::check;
using weir::json::EditModel;
using weir::json::Edits;
using weir::json::PaddedBuffer;
using weir::json::Parser;

// The input as a stream of choices, zeros when it is used up; or its hash as an endless one.
class Choices {
 public:
  explicit Choices(std::string_view input, bool endless)
      : input_(input), state_(weir::fuzz::Cuts::hash(input)), endless_(endless) {}
  uint32_t below(uint32_t n) { return (endless_ ? draw() : next()) % n; }
  bool over() const { return at_ >= input_.size(); }

 private:
  uint32_t next() { return over() ? 0 : static_cast<unsigned char>(input_[at_++]); }
  uint32_t draw() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 40);
  }
  std::string_view input_;
  size_t at_ = 0;
  uint64_t state_;
  bool endless_;
};

// A document has at most 1,024 members; what the model adds must fit in, to be read again.
constexpr size_t kMembersMax = 960;

constexpr std::string_view kSpaces[] = {"", "", "", " ", "\n", "\t \r\n", "  "};
constexpr std::string_view kTexts[] = {
    "", "a", "stream", "\\\"", "\\\\", "\\u00e9\\ud83d\\ude00", "é中", "model}", "],[{", "\\n\\t\\/\\b", "{"};
constexpr std::string_view kScalars[] = {"0",    "-1",    "1.5e10", "1e400", "123456789012345678901",
                                         "true", "false", "null",   "-0.0"};

void space(Choices& choices, std::string& out) {
  out += kSpaces[choices.below(std::size(kSpaces))];
}

void text(Choices& choices, std::string& out) {
  out += '"';
  out += kTexts[choices.below(std::size(kTexts))];
}

void value(Choices& choices, int depth, int& keys, std::string& out) {
  space(choices, out);
  uint32_t kind = choices.over() || depth > 20 ? 0 : choices.below(8);
  if (kind < 2) {
    out += kScalars[choices.below(std::size(kScalars))];
  } else if (kind < 4) {
    text(choices, out);
    out += '"';
  } else {
    bool object = kind < 6;
    out += object ? '{' : '[';
    for (uint32_t n = choices.below(5), i = 0; i < n; ++i) {
      if (i > 0) out += ',';
      if (object) {
        space(choices, out);
        text(choices, out);
        out += std::to_string(keys++);  // no two alike
        out += '"';
        space(choices, out);
        out += ':';
      }
      value(choices, depth + 1, keys, out);
    }
    space(choices, out);
    out += object ? '}' : ']';
  }
  space(choices, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Parser parser;
  static std::string document;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  bool given = input.starts_with('{') || input.starts_with('[');
  // Its keys could be the model's own new ones.
  if (given && (input.contains("weir-new") || input.contains("\\u"))) return 0;
  Choices choices(input, given);
  document.clear();
  int keys = 0;
  if (given)
    document = input;
  else
    value(choices, 0, keys, document);

  PaddedBuffer bytes{std::string_view(document)};
  auto parsed = parser.parse(bytes.view());
  check(given || parsed.has_value());
  if (!parsed) return 0;
  if (parsed->members.size() > kMembersMax) return 0;
  EditModel model([&](uint32_t n) { return choices.below(n); });
  std::string wrong = model.check(*parsed);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n%s\n", document.c_str(), wrong.c_str());
    std::abort();
  }

  // One member replaced: what stands before and behind it stays as it was.
  if (parsed->members.empty()) return 0;
  const weir::json::Member& member =
      parsed->members[choices.below(static_cast<uint32_t>(parsed->members.size()))];
  Edits edits(parsed->bytes);
  edits.replace(member.value.raw, "[\"new\"]");
  auto at = static_cast<size_t>(member.value.raw.data() - parsed->bytes.data());
  std::string edited = edits.str();
  check(edited == std::string(parsed->bytes.substr(0, at)) + "[\"new\"]" +
                      std::string(parsed->bytes.substr(at + member.value.raw.size())));
  return 0;
}
