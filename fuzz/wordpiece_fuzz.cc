// The tokenizer: any bytes as a tokenizer.json give a tokenizer or an error; any bytes as a text give ids of
// the vocabulary, framed, the same for the text between spaces and for its parts cut at a space.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "weir/embed/wordpiece.h"

namespace {

using weir::embed::TokenId;
using weir::embed::WordPiece;

void check(bool ok) {
  if (!ok) std::abort();
}

constexpr std::string_view kTokenizer = R"({"added_tokens":[{"id":1,"content":"[SEP]","normalized":false}],
  "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
  "pre_tokenizer":{"type":"BertPreTokenizer"},
  "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":20,
    "vocab":{"[CLS]":0,"[SEP]":1,"[UNK]":2,"a":3,"##a":4,"b":5,"##b":6,"ab":7,"##ab":8,".":9,"中":10,"é":11,"##ba":12}}})";

const WordPiece& tokenizer() {
  static const WordPiece kParsed = *WordPiece::parse(kTokenizer);
  return kParsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const WordPiece* used = &tokenizer();
  auto parsed = WordPiece::parse(bytes);
  if (parsed) used = &*parsed;

  auto ids = used->encode(bytes);
  check(ids.size() >= 2 && ids.front() == used->cls() && ids.back() == used->sep());
  check(ids.size() <= size + 2);  // no token without a byte of its own
  for (TokenId id : ids)
    check(id >= 0 && static_cast<size_t>(id) < used->size());

  // Our own tokenizer's special token holds no space, so there words do not know their neighbours.
  check(tokenizer().encode(" " + std::string(bytes) + " ") == tokenizer().encode(bytes));
  size_t space = bytes.find(' ');
  if (space == std::string_view::npos) return 0;
  auto whole = tokenizer().encode(bytes), left = tokenizer().encode(bytes.substr(0, space)),
       right = tokenizer().encode(bytes.substr(space));
  left.pop_back();
  left.insert(left.end(), right.begin() + 1, right.end());
  check(left == whole);
  return 0;
}
