// weir's JSON check against simdjson's DOM: both accept, or weir refuses for one of its stricter rules and
// the DOM shows that the rule applies. (Editing what was accepted: json_edit_fuzz.cc.)
#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include "weir/base/json.h"
#include "weir/base/json_write.h"

namespace {

using weir::json::Document;
using weir::json::PaddedBuffer;
using weir::json::Parser;

[[noreturn]] void stop(const char* what, std::string_view text, std::string_view detail) {
  std::fprintf(stderr, "%s: %.*s\n%.*s\n", what, static_cast<int>(text.size()), text.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

// The DOM refuses numbers out of range, weir leaves them to the caller. Shortening digit runs outside strings
// to a few digits, and exponents to one, keeps what is a number and what is not.
std::string with_small_numbers(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    out += c;
    if (in_string && c == '\\' && i + 1 < text.size()) {
      out += text[++i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    if (in_string || c < '0' || c > '9') continue;
    size_t before = out.size() >= 2 ? out.size() - 2 : 0;
    char previous = out[before];
    size_t keep = previous == 'e' || previous == 'E' || previous == '+' || previous == '-' ? 1 : 6;
    if (out.size() >= 3 && previous == '-' && out[before - 1] != 'e' && out[before - 1] != 'E') keep = 6;
    if (out.size() == 2 && previous == '-') keep = 6;
    size_t run = 1;
    while (i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') {
      ++i;
      if (run++ < keep) out += text[i];
    }
  }
  return out;
}

struct Findings {
  bool duplicate = false;
  bool crowded = false;  // an object of more members than weir takes
  int depth = 0;
};

void inspect(simdjson::dom::element element, int depth, Findings& found) {
  if (element.is_object()) {
    found.depth = std::max(found.depth, depth + 1);
    std::set<std::string_view> keys;
    size_t members = 0;  // the same key twice counts twice: which fault weir meets first is its own business
    for (auto field : simdjson::dom::object(element)) {
      if (!keys.insert(field.key).second) found.duplicate = true;
      inspect(field.value, depth + 1, found);
      ++members;
    }
    if (members > (depth == 0 ? 1024u : 65'536u)) found.crowded = true;
  } else if (element.is_array()) {
    found.depth = std::max(found.depth, depth + 1);
    for (simdjson::dom::element child : simdjson::dom::array(element))
      inspect(child, depth + 1, found);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Parser parser;  // one for all inputs: what it keeps must not leak from one into the next
  static simdjson::dom::parser oracle;
  std::string_view text(reinterpret_cast<const char*>(data), size);

  PaddedBuffer bytes(text);
  auto parsed = parser.parse(bytes.view());
  simdjson::dom::element root;
  bool valid = oracle.parse(with_small_numbers(text)).get(root) == simdjson::SUCCESS;
  Findings found;
  if (valid) inspect(root, 0, found);

  if (parsed) {
    if (!valid) stop("accepted, the DOM refuses", text, "");
    if (found.duplicate) stop("accepted a duplicate key", text, "");
    if (found.depth > 64) stop("accepted too deep a document", text, "");
    if (found.crowded) stop("accepted too many members", text, "");
  } else if (valid) {
    const weir::Error& error = parsed.error();
    bool lone_surrogate = error.message.find("surrogate") != std::string::npos;
    bool justified = (error.reason == "duplicate_key" && found.duplicate) ||
                     (error.message.find("nested deeper") != std::string::npos && found.depth > 64) ||
                     (error.message.find("object of more than") != std::string::npos && found.crowded) ||
                     lone_surrogate;
    if (!justified) stop("refused, the DOM accepts", text, error.message);
  }

  // Readers of unchecked bytes: in memory of exactly their size.
  auto exact = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), exact.get());
  std::string_view frame(exact.get(), text.size());
  if (auto value = weir::json::find_in(frame, "a")) {
    value->as_string();
    value->as_double();
    value->as_int();
  }
  weir::json::members_of(frame);
  weir::json::elements_of(frame);
  std::string quoted;
  weir::json::append_quoted(quoted, text);
  PaddedBuffer quoted_bytes{std::string_view(quoted)};
  auto read_back = parser.parse(quoted_bytes.view());
  if (!read_back) stop("what append_quoted wrote is refused", quoted, read_back.error().message);
  if (simdjson::validate_utf8(text.data(), text.size()) && read_back->root.as_string() != text)
    stop("what append_quoted wrote reads differently", quoted, "");
  return 0;
}
