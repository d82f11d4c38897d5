// One strict pass over the bytes, recursive by container, 16 to 64 bytes at a time inside strings.
//
// Why not simdjson's on-demand walk, which the first spike used: it does not look at what it skips, so
// checking everything means unescaping and converting everything, and it does not compare keys. A chat body
// is few long strings; skipping those is nearly all the work there is. CPU time on one core of an EPYC (Zen
// 5), clang-19 -O2 -march=x86-64-v2, bench/micro/json_bench.cc, this check / simdjson 3.0.1: chat 20 KB 2.4
// / 3.7 us, with umlauts 3.4 / 4.1 us, 100 KB 11.3 / 17.9 us. simdjson still checks UTF-8, and only when a
// byte above 0x7F was met. Nothing is read behind the document; the padding is asked for so that another
// check may take this one's place.
//
// Duplicate keys: up to 32 keys of an object are compared by fingerprint as they come; a larger object is
// sorted once at its end, by fingerprint and then by text, so crafted collisions cost n log n and never n
// squared (10 MB of nothing but short keys: 73 ms). The number of members is bounded all the same: a body of
// nothing but keys would have cost ten times its size in memory and a second of its core.
#include "weir/base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "weir/base/json_scan.h"
#include "weir/base/json_write.h"
#include "weir/base/utf8.h"

namespace weir::json {

using scan::Escape;
using scan::is_digit;
using scan::read_escape;
using scan::skip_space;
using scan::unescape;

namespace {

constexpr size_t kKeptMemoryMax = size_t{4} << 20;
constexpr size_t kPairwiseKeysMax = 32;
constexpr int kDepthMax = 1024;
constexpr size_t kMembersMax = 65'536;    // of any object: a map of tokens, the largest that clients send
constexpr size_t kTopMembersMax = 1'024;  // of the document: these are listed

struct Key {
  std::string_view text;
  uint64_t print;
};

// Equal texts have equal prints. Cheap, not strong: whoever relies on it must survive collisions.
uint64_t fingerprint(std::string_view text) {
  uint64_t first = 0, last = 0;
  size_t n = text.size();
  const char* p = text.data();
  if (n >= 8) {
    std::memcpy(&first, p, 8);
    std::memcpy(&last, p + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(&first, p, 4);
    std::memcpy(&last, p + n - 4, 4);
  } else if (n > 0) {
    first = static_cast<unsigned char>(p[0]) |
            static_cast<uint64_t>(static_cast<unsigned char>(p[n / 2])) << 8 |
            static_cast<uint64_t>(static_cast<unsigned char>(p[n - 1])) << 16;
  }
  return (first ^ (last * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u + n;
}

// Unescaped keys. Chunks never move, so views into them stay.
class KeyStore {
 public:
  void clear() {
    size_t kept = 0;
    for (const Chunk& c : chunks_)
      kept += c.size;
    if (kept > kKeptMemoryMax) chunks_.clear();
    if (chunks_.size() > 1) chunks_.erase(chunks_.begin(), chunks_.end() - 1);
    used_ = 0;
  }
  std::string_view unescaped(std::string_view inside) {
    if (chunks_.empty() || chunks_.back().size - used_ < inside.size()) {
      size_t size = std::max<size_t>({4096, inside.size(), chunks_.empty() ? 0 : chunks_.back().size * 2});
      chunks_.push_back({std::make_unique_for_overwrite<char[]>(size), size});
      used_ = 0;
    }
    char* out = chunks_.back().bytes.get() + used_;
    size_t n = unescape(inside, out);
    used_ += n;
    return {out, n};
  }

 private:
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    size_t size;
  };
  std::vector<Chunk> chunks_;
  size_t used_ = 0;  // of the last chunk
};

}  // namespace

struct Parser::State {
  std::vector<Key> keys;  // of all objects open at this point, outermost first
  KeyStore key_store;
};

namespace {

class Checker {
 public:
  Checker(std::string_view bytes, int depth_max, std::vector<Key>& keys, KeyStore& store)
      : begin_(bytes.data()),
        end_(begin_ + bytes.size()),
        depth_max_(depth_max),
        keys_(keys),
        store_(store) {}

  Result<Document> run() {
    Document document;
    document.bytes = {begin_, static_cast<size_t>(end_ - begin_)};
    top_ = &document.members;
    top_->reserve(8);
    const char* p = space(begin_);
    p = value(p, document.root, 0);
    if (p) {
      p = space(p);
      if (p != end_) p = fault(p, "nothing may follow the document");
    }
    if (p && non_ascii_ && !simdjson::validate_utf8(begin_, document.bytes.size())) p = utf8_fault();
    if (!p) return std::unexpected(std::move(error_));
    document.type = document.root.type;
    return document;
  }

 private:
  // A NUL where the document ends: no NUL is valid outside strings, so it fails wherever a byte is expected.
  char at(const char* p) const { return p < end_ ? *p : '\0'; }

  const char* space(const char* p) const {
    if (p < end_ && static_cast<unsigned char>(*p) > ' ') [[likely]]
      return p;
    return skip_space(p, end_);
  }

  const char* fault(const char* p, std::string_view what) {
    error_ = make_error(
        ErrorCode::kInvalidRequest,
        fmt::format("invalid JSON at byte {}: {}", p - begin_, p < end_ ? what : "it ends too early"), {},
        "invalid_json");
    return nullptr;
  }

  const char* utf8_fault() {
    const char* p = begin_;
    while (p < end_) {
      int n = utf8_length(p, end_);
      if (n == 0) break;
      p += n;
    }
    error_ = make_error(ErrorCode::kInvalidRequest,
                        fmt::format("invalid JSON at byte {}: the text is not UTF-8", p - begin_), {},
                        "invalid_json");
    return nullptr;
  }

  const char* duplicate_fault(std::string_view key) {
    std::string quoted;
    append_quoted(quoted, key.substr(0, 64));
    error_ = make_error(ErrorCode::kInvalidRequest,
                        fmt::format("the key {} appears twice in one object", quoted), {}, "duplicate_key");
    return nullptr;
  }

  const char* members_fault(const char* p, size_t most) {
    error_ = make_error(ErrorCode::kInvalidRequest,
                        fmt::format("JSON object of more than {} members at byte {}", most, p - begin_), {},
                        "invalid_json");
    return nullptr;
  }

  const char* depth_fault(const char* p) {
    error_ = make_error(ErrorCode::kInvalidRequest,
                        fmt::format("JSON nested deeper than {} levels at byte {}", depth_max_, p - begin_),
                        {}, "invalid_json");
    return nullptr;
  }

  const char* value(const char* p, Value& out, int depth) {
    const char* first = p;
    switch (at(p)) {
      case '"': {
        bool escaped = false;
        out.type = Type::kString;
        p = string(p, escaped);
        break;
      }
      case '{':
        out.type = Type::kObject;
        p = object(p, depth);
        break;
      case '[':
        out.type = Type::kArray;
        p = array(p, depth);
        break;
      case 't':
        out.type = Type::kBool;
        p = literal(p, "true");
        break;
      case 'f':
        out.type = Type::kBool;
        p = literal(p, "false");
        break;
      case 'n':
        out.type = Type::kNull;
        p = literal(p, "null");
        break;
      default:
        out.type = Type::kNumber;
        p = number(p);
        break;
    }
    if (p) out.raw = {first, static_cast<size_t>(p - first)};
    return p;
  }

  const char* literal(const char* p, std::string_view word) {
    if (static_cast<size_t>(end_ - p) < word.size() || std::memcmp(p, word.data(), word.size()) != 0)
      return fault(p, "a value was expected");
    return p + word.size();
  }

  const char* number(const char* p) {
    const char* first = p;
    if (at(p) == '-') ++p;
    if (at(p) == '0') {
      ++p;
    } else if (is_digit(at(p))) {
      p = digits(p);
    } else {
      return fault(p, p == first ? "a value was expected" : "a digit was expected");
    }
    if (at(p) == '.') {
      if (!is_digit(at(++p))) return fault(p, "a digit was expected");
      p = digits(p);
    }
    if (at(p) == 'e' || at(p) == 'E') {
      ++p;
      if (at(p) == '+' || at(p) == '-') ++p;
      if (!is_digit(at(p))) return fault(p, "a digit was expected");
      p = digits(p);
    }
    return p;
  }

  const char* digits(const char* p) const {
    while (p < end_ && is_digit(*p))
      ++p;
    return p;
  }

  // p is at the opening quote; answers behind the closing one.
  const char* string(const char* p, bool& escaped) {
    ++p;
    for (;;) {
      p = scan::find_special(p, end_, non_ascii_);
      if (p == end_) return fault(p, "");
      if (*p == '"') return p + 1;
      if (*p != '\\') return fault(p, "a control character stands unescaped in a string");
      escaped = true;
      const char* from = p;
      char bytes[4];
      int n = 0;
      Escape verdict = read_escape(p, end_, bytes, n);
      if (verdict == Escape::kInvalid) return fault(from, "no such escape");
      if (verdict == Escape::kLoneSurrogate) return fault(from, "a surrogate escape without its other half");
    }
  }

  const char* array(const char* p, int depth) {
    if (depth >= depth_max_) return depth_fault(p);
    p = space(p + 1);
    if (at(p) == ']') return p + 1;
    for (;;) {
      Value element;
      p = value(p, element, depth + 1);
      if (!p) return nullptr;
      p = space(p);
      char c = at(p);
      if (c == ']') return p + 1;
      if (c != ',') return fault(p, "a comma or ] was expected");
      p = space(p + 1);
    }
  }

  const char* object(const char* p, int depth) {
    if (depth >= depth_max_) return depth_fault(p);
    size_t first_key = keys_.size(), members_max = depth == 0 ? kTopMembersMax : kMembersMax;
    p = space(p + 1);
    if (at(p) == '}') return p + 1;
    for (;;) {
      if (at(p) != '"') return fault(p, "a key was expected");
      const char* key = p;
      bool escaped = false;
      p = string(p, escaped);
      if (!p) return nullptr;
      std::string_view text(key + 1, static_cast<size_t>(p - key) - 2);
      if (escaped) text = store_.unescaped(text);
      if (!add_key(text, first_key)) return duplicate_fault(text);
      if (keys_.size() - first_key > members_max) return members_fault(key, members_max);
      p = space(p);
      if (at(p) != ':') return fault(p, "a colon was expected");
      Value member;
      p = value(space(p + 1), member, depth + 1);
      if (!p) return nullptr;
      if (depth == 0)
        top_->push_back({text, member, static_cast<size_t>(key - begin_), static_cast<size_t>(p - begin_)});
      p = space(p);
      char c = at(p);
      if (c == '}') break;
      if (c != ',') return fault(p, "a comma or } was expected");
      p = space(p + 1);
    }
    if (keys_.size() - first_key > kPairwiseKeysMax) {
      if (const Key* twice = find_duplicate(first_key)) return duplicate_fault(twice->text);
    }
    keys_.resize(first_key);
    return p + 1;
  }

  // False when a small object has this key already.
  bool add_key(std::string_view text, size_t first_key) {
    uint64_t print = fingerprint(text);
    if (keys_.size() - first_key < kPairwiseKeysMax) {
      for (size_t i = first_key; i < keys_.size(); ++i)
        if (keys_[i].print == print && keys_[i].text == text) return false;
    }
    keys_.push_back({text, print});
    return true;
  }

  const Key* find_duplicate(size_t first_key) {
    auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first_key);
    std::sort(begin, keys_.end(), [](const Key& a, const Key& b) {
      return a.print != b.print ? a.print < b.print : a.text < b.text;
    });
    auto twice = std::adjacent_find(begin, keys_.end(), [](const Key& a, const Key& b) {
      return a.print == b.print && a.text == b.text;
    });
    return twice == keys_.end() ? nullptr : &*twice;
  }

  const char* begin_;
  const char* end_;
  int depth_max_;
  std::vector<Key>& keys_;
  KeyStore& store_;
  std::vector<Member>* top_ = nullptr;
  bool non_ascii_ = false;
  Error error_;
};

}  // namespace

Parser::Parser() : state_(std::make_unique<State>()) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

Result<Document> Parser::parse(std::string_view bytes, const Limits& limits) {
  if (bytes.data() == nullptr) bytes = std::string_view("", 0);
  state_->keys.clear();
  state_->key_store.clear();
  Checker checker(bytes, std::min(limits.depth_max, kDepthMax), state_->keys, state_->key_store);
  Result<Document> document = checker.run();
  if (state_->keys.capacity() * sizeof(Key) > kKeptMemoryMax) std::vector<Key>().swap(state_->keys);
  return document;
}

}  // namespace weir::json
