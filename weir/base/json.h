// JSON read once, checked whole, edited by splicing bytes.
//
// A Parser checks every byte of a document (RFC 8259 and stricter: no duplicate key in any object, no lone
// surrogate, no invalid UTF-8, bounded depth) and lists the members of the top-level object. Everything
// deeper stays raw bytes, already checked, read on demand with members_of, elements_of and find_in. Edits
// replaces, removes and inserts values by reference: what is not edited is passed on byte for byte, so a
// field we have never heard of survives the gateway. Nothing here is thread-safe except by being a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/result.h"

namespace weir::json {

/// Bytes that must be readable behind a document given to Parser::parse. Their value does not matter.
inline constexpr size_t kPadding = 64;

/// Owned bytes with kPadding readable bytes always behind size(). Growth doubles; move-only.
class PaddedBuffer {
 public:
  PaddedBuffer() = default;
  explicit PaddedBuffer(std::string_view bytes) { append(bytes); }
  PaddedBuffer(PaddedBuffer&& other) noexcept { swap(other); }
  PaddedBuffer& operator=(PaddedBuffer&& other) noexcept {
    PaddedBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~PaddedBuffer() { std::free(data_); }

  /// Room for `n` bytes in all without moving them again.
  void reserve(size_t n);
  /// `bytes` must not lie inside this buffer.
  void append(std::string_view bytes);
  /// Bytes beyond the old size are undefined until written.
  void resize_uninitialized(size_t n);
  /// Forgets the bytes, keeps the memory.
  void clear() { size_ = 0; }
  /// Forgets the bytes and gives the memory back.
  void release();

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return capacity_; }  // without the padding
  std::string_view view() const { return {data_, size_}; }
  void swap(PaddedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

enum class Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

/// "null", "boolean", "number", "string", "array", "object": for messages.
std::string_view name(Type type);

/// A value of a checked document, by reference: valid as long as the document's bytes.
struct Value {
  Type type = Type::kNull;
  std::string_view raw;  // the value's exact bytes, quotes included

  /// A number written without fraction or exponent that fits; nullopt otherwise (2.0 and 1e3 are not ints).
  std::optional<int64_t> as_int() const;
  /// Any number a finite double can hold; nullopt for 1e400 and for 1e-400.
  std::optional<double> as_double() const;
  std::optional<bool> as_bool() const;
  /// The string, unescaped.
  std::optional<std::string> as_string() const;
  /// The bytes between the quotes when nothing is escaped (no copy); nullopt when escaped or not a string.
  std::optional<std::string_view> as_plain_string() const;
  /// Appends the unescaped string; false (and nothing appended) when this is not a string.
  bool append_string_to(std::string& out) const;
  /// Is this a string that reads `text` once unescaped? Allocates nothing.
  bool is_string(std::string_view text) const;
};

struct Member {
  std::string_view key;  // unescaped
  Value value;
  size_t begin = 0;  // offsets of `"key": value` in the bytes it was read from, without any comma
  size_t end = 0;
};

struct Document {
  Type type = Type::kNull;
  std::string_view bytes;       // the whole document, as given
  Value root;                   // without the whitespace around it
  std::vector<Member> members;  // of a top-level object, in order; empty for every other type

  const Value* find(std::string_view key) const;
  const Member* member(std::string_view key) const;
};

struct ParseLimits {
  int depth_max = 64;  // containers inside containers; at most 1024
};

/// Checks documents. One per core: keeps its memory from call to call and gives back what exceeds 4 MiB.
class Parser {
 public:
  using Limits = ParseLimits;

  Parser();
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  /// Checks all of `bytes`. Requires kPadding readable bytes behind them. The answer's views live as long as
  /// `bytes`, except keys that contain a backslash escape: those live until the next parse() on this parser
  /// or its end. Errors are kInvalidRequest with a message for the caller: reason "invalid_json" (the message
  /// names the byte offset; nested too deep is one of these), "duplicate_key" (names the key).
  Result<Document> parse(std::string_view bytes, const Limits& limits = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The members of an object. Owns what its escaped keys unescape to; everything else refers to the object.
class Members {
 public:
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const Member& operator[](size_t i) const { return items_[i]; }
  const Member* member(std::string_view key) const;
  const Value* find(std::string_view key) const;

 private:
  friend Members members_of(std::string_view object_raw);
  std::vector<Member> items_;
  std::unique_ptr<char[]> unescaped_keys_;
};

/// Members of an object value that was part of a parsed document (nothing is checked again; needs no
/// padding). Offsets are relative to `object_raw`. Bytes that are no object give what could be read before
/// the fault.
Members members_of(std::string_view object_raw);

/// Elements of an array value that was part of a parsed document; else as members_of.
std::vector<Value> elements_of(std::string_view array_raw);

/// The first member `key` of the object in `object_raw`: skips, does not check, allocates nothing, needs no
/// padding. For small frames of model servers. Bytes that are no object, or are garbage before the key:
/// nullopt, or a value whose raw bytes are garbage, never a read outside `object_raw`.
std::optional<Value> find_in(std::string_view object_raw, std::string_view key);

/// Edits of a checked document, kept as splices; nothing is copied but the new text. The arguments are views
/// into the document this was made for, in any order. An edit inside a removed or replaced value is dropped;
/// of two replacements of one value the later one counts; removing beats replacing. Requires new text to be
/// valid JSON.
class Edits {
 public:
  explicit Edits(std::string_view document) : document_(document) {}

  /// Puts `text` where the value `old_raw` is.
  void replace(std::string_view old_raw, std::string text);
  /// Takes the member out, with the right comma. Works for members of the document and of members_of.
  void remove_member(const Member& member);
  /// Takes an array's element out, with the right comma.
  void remove_element(const Value& element);
  /// Adds `"key": value` text in front of the object's members; several come in the order of the calls.
  void insert_first_member(std::string_view object_raw, std::string member_text);
  /// Adds a member behind the last one.
  void append_member(std::string_view object_raw, std::string member_text);
  /// The same for arrays.
  void insert_first_element(std::string_view array_raw, std::string element_text);
  void append_element(std::string_view array_raw, std::string element_text);

  bool empty() const { return splices_.empty() && insertions_.empty(); }
  /// The edited document by reference to the old one and to these edits, for a gathered write. No piece is
  /// empty.
  std::vector<std::string_view> pieces() const;
  /// Bytes of the edited document.
  size_t size() const;
  std::string str() const;

 private:
  struct Splice {
    size_t begin, end;
    bool removal;
    std::string text;
  };
  struct Insertion {
    size_t open, at;  // offset of the container's bracket, and of the new text
    bool front;
    std::string text;
  };
  size_t offset_of(std::string_view part) const;
  void insert(std::string_view container_raw, bool front, std::string text);
  struct Cut {
    size_t begin, end;
    const std::string* text;  // what stands there instead; null: nothing
  };
  std::vector<Cut> cuts() const;
  bool keeps_something(size_t open, const std::vector<Cut>& cuts) const;
  size_t after_space(size_t at) const;
  bool closes(size_t at) const;

  std::string_view document_;
  std::vector<Splice> splices_;
  std::vector<Insertion> insertions_;
};

}  // namespace weir::json
