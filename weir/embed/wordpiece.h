// BERT's WordPiece tokenizer for uncased models, with the vocabulary of a Hugging Face tokenizer.json: text
// -> the token ids the model was trained on, [CLS] first and [SEP] last. Immutable once made; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/base/result.h"

namespace weir::json {
struct Document;
}

namespace weir::embed {

using TokenId = int64_t;  // as the models' inputs are typed

class WordPiece {
 public:
  /// `tokenizer_json` holds the file's text. Its truncation and padding settings are ignored. Errors: kConfig
  /// (no JSON, not an uncased BERT WordPiece tokenizer, no [CLS], [SEP] or unknown token).
  static Result<WordPiece> parse(std::string_view tokenizer_json);

  /// Never fails and never truncates. Bytes that are no UTF-8 are dropped, as the reference drops U+FFFD.
  std::vector<TokenId> encode(std::string_view text) const;

  TokenId cls() const { return cls_; }
  TokenId sep() const { return sep_; }
  /// Ids are 0 .. size() - 1.
  size_t size() const { return size_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Pieces = std::unordered_map<std::string, TokenId, Hash, std::equal_to<>>;
  struct Special {
    std::string text;
    TokenId id = 0;
  };

  Result<void> read_vocabulary(const json::Document& document);
  Result<void> read_specials(const json::Document& document);
  void add_piece(std::string_view piece, TokenId id);
  const Special* special_at(std::string_view text) const;
  void encode_plain(std::string_view text, std::vector<TokenId>& out) const;
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;

  Pieces starts_, continuations_;  // the latter without their "##"
  std::vector<Special> specials_;  // recognised in the raw text, as in "[MASK]"
  TokenId unknown_ = 0, cls_ = 0, sep_ = 0;
  size_t size_ = 0;
  size_t piece_bytes_max_ = 0;
  size_t word_code_points_max_ = 100;
};

}  // namespace weir::embed
