// WordPiece as BERT's uncased models were trained: clean and fold each code point (unicode.h), split at white
// space, around punctuation and around ideographs, then cut each word into the longest vocabulary pieces from
// the left, all but the first marked "##". A word with no such cut, or longer than 100 code points, is the
// unknown token. (Devlin et al., 2018, the released tokenization code; here the behaviour of Hugging Face
// tokenizers 0.23.3, whose ids wordpiece_test.cc compares.)
//
// One thing is left out: the reference puts combining marks into canonical order. The marks that survive the
// folding are in no vocabulary piece, so a word that has one is the unknown token in any order.
#include "weir/embed/wordpiece.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "weir/base/json.h"
#include "weir/embed/unicode.h"

namespace weir::embed {
namespace {

Unexpected refuse(std::string_view what) {
  return fail_internal(ErrorCode::kConfig, "tokenizer.json: " + std::string(what));
}

// A member of a member, or nothing.
std::optional<json::Value> find(const json::Document& document, std::string_view part, std::string_view key) {
  const json::Value* object = document.find(part);
  if (!object || object->type != json::Type::kObject) return std::nullopt;
  return json::find_in(object->raw, key);
}

bool says(const std::optional<json::Value>& value, std::string_view text) {
  return value && value->is_string(text);
}
bool is_true(const std::optional<json::Value>& value) {
  return value && value->as_bool() == true;
}
bool is_false(const std::optional<json::Value>& value) {
  return value && value->as_bool() == false;
}

// Only what this file implements; anything else would give vectors that look right and are wrong.
Result<void> check_kind(const json::Document& d) {
  if (!says(find(d, "model", "type"), "WordPiece")) return refuse("the model is not of type WordPiece");
  if (!says(find(d, "model", "continuing_subword_prefix"), "##"))
    return refuse("the continuing prefix is not ##");
  if (!says(find(d, "normalizer", "type"), "BertNormalizer"))
    return refuse("the normalizer is not BertNormalizer");
  bool uncased = is_true(find(d, "normalizer", "lowercase")) &&
                 is_true(find(d, "normalizer", "clean_text")) &&
                 is_true(find(d, "normalizer", "handle_chinese_chars")) &&
                 !is_false(find(d, "normalizer", "strip_accents"));
  if (!uncased) return refuse("only uncased BERT normalization is supported");
  if (!says(find(d, "pre_tokenizer", "type"), "BertPreTokenizer"))
    return refuse("the pre_tokenizer is not BertPreTokenizer");
  return {};
}

}  // namespace

Result<WordPiece> WordPiece::parse(std::string_view tokenizer_json) {
  json::PaddedBuffer bytes(tokenizer_json);
  json::Parser parser;
  auto parsed = parser.parse(bytes.view());
  if (!parsed) return refuse(parsed.error().message);
  TRY_VOID(check_kind(*parsed));
  WordPiece out;
  TRY_VOID(out.read_vocabulary(*parsed));
  TRY_VOID(out.read_specials(*parsed));
  if (auto limit = find(*parsed, "model", "max_input_chars_per_word")) {
    auto n = limit->as_int();
    if (!n || *n < 1) return refuse("max_input_chars_per_word is not a positive number");
    out.word_code_points_max_ = static_cast<size_t>(*n);
  }
  return out;
}

Result<void> WordPiece::read_vocabulary(const json::Document& document) {
  auto vocabulary = find(document, "model", "vocab");
  if (!vocabulary || vocabulary->type != json::Type::kObject) return refuse("model.vocab is no object");
  json::Members pieces = json::members_of(vocabulary->raw);
  starts_.reserve(pieces.size());
  for (const json::Member& piece : pieces) {
    auto id = piece.value.as_int();
    if (!id || *id < 0 || static_cast<size_t>(*id) >= pieces.size())
      return refuse("the ids of model.vocab are not 0 .. size - 1");
    add_piece(piece.key, *id);
  }
  size_ = pieces.size();
  auto unknown = find(document, "model", "unk_token");
  std::string unknown_text = unknown ? unknown->as_string().value_or("") : "";
  for (auto [text, id] :
       {std::pair<std::string_view, TokenId*>{unknown_text, &unknown_}, {"[CLS]", &cls_}, {"[SEP]", &sep_}}) {
    auto at = starts_.find(text);
    if (at == starts_.end()) return refuse("model.vocab lacks the token \"" + std::string(text) + "\"");
    *id = at->second;
  }
  return {};
}

Result<void> WordPiece::read_specials(const json::Document& document) {
  const json::Value* list = document.find("added_tokens");
  if (!list || list->type == json::Type::kNull) return {};
  if (list->type != json::Type::kArray) return refuse("added_tokens is no array");
  for (const json::Value& token : json::elements_of(list->raw)) {
    auto text = json::find_in(token.raw, "content");
    auto id = json::find_in(token.raw, "id");
    Special special{text ? text->as_string().value_or("") : "", id ? id->as_int().value_or(-1) : -1};
    bool plain = is_false(json::find_in(token.raw, "normalized"));
    for (std::string_view flag : {"lstrip", "rstrip", "single_word"})
      plain = plain && !is_true(json::find_in(token.raw, flag));
    if (!plain || special.text.empty() || special.id < 0 || static_cast<size_t>(special.id) >= size_)
      return refuse("an added token is of a kind that is not supported: " + std::string(token.raw));
    specials_.push_back(std::move(special));
  }
  return {};
}

void WordPiece::add_piece(std::string_view piece, TokenId id) {
  bool continues = piece.size() > 2 && piece.starts_with("##");
  if (continues) piece.remove_prefix(2);
  (continues ? continuations_ : starts_).emplace(piece, id);
  piece_bytes_max_ = std::max(piece_bytes_max_, piece.size());
}

std::vector<TokenId> WordPiece::encode(std::string_view text) const {
  std::vector<TokenId> out;
  out.reserve(text.size() / 4 + 8);  // English: 4 to 5 bytes a token
  out.push_back(cls_);
  size_t plain_begin = 0;
  for (size_t i = 0; i < text.size();) {
    const Special* special = special_at(text.substr(i));
    if (!special) {
      ++i;
      continue;
    }
    encode_plain(text.substr(plain_begin, i - plain_begin), out);
    out.push_back(special->id);
    plain_begin = i += special->text.size();
  }
  encode_plain(text.substr(plain_begin), out);
  out.push_back(sep_);
  return out;
}

// The longest special token that `text` starts with.
const WordPiece::Special* WordPiece::special_at(std::string_view text) const {
  const Special* best = nullptr;
  for (const Special& s : specials_)
    if (text.starts_with(s.text) && (!best || s.text.size() > best->text.size())) best = &s;
  return best;
}

void WordPiece::encode_plain(std::string_view text, std::vector<TokenId>& out) const {
  std::string word;
  size_t code_points = 0;
  auto end_word = [&] {
    if (code_points > word_code_points_max_)
      out.push_back(unknown_);
    else if (!word.empty())
      encode_word(word, out);
    word.clear();
    code_points = 0;
  };
  while (!text.empty()) {
    char32_t read = take_code_point(text);
    bool alone = is_ideograph(read);  // judged before folding: compatibility ideographs fold to others
    if (alone) end_word();
    Folded folded = fold(read);
    for (char32_t c : folded.view()) {
      bool sign = is_punctuation(c);
      if (sign || c == U' ') end_word();
      if (c == U' ') continue;
      append_utf8(word, c);
      ++code_points;
      if (sign) end_word();
    }
    if (alone) end_word();
  }
  end_word();
}

void WordPiece::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  size_t first = out.size();
  for (size_t begin = 0; begin < word.size();) {
    const Pieces& pieces = begin == 0 ? starts_ : continuations_;
    size_t length = std::min(word.size() - begin, piece_bytes_max_);
    auto at = pieces.find(word.substr(begin, length));
    while (at == pieces.end() && --length > 0)
      at = pieces.find(word.substr(begin, length));
    if (at == pieces.end()) {
      out.resize(first);
      out.push_back(unknown_);
      return;
    }
    out.push_back(at->second);
    begin += length;
  }
}

}  // namespace weir::embed
