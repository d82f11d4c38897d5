#include "weir/server/multipart_model.h"

#include <algorithm>

#include "weir/base/header.h"

namespace weir::server {
namespace {

constexpr size_t kPartHeaderBytesMax = 8192;
constexpr int kPartsMax = 1000;
constexpr size_t kModelBytesMax = 200;

Unexpected malformed(std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, "The multipart body is not well formed: " + std::string(what) + ".",
              {}, "invalid_multipart");
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// What stands before the first '=' and what stands behind it, up to the next ';' outside quotes.
struct Piece {
  std::string_view key, value;
  bool quoted = false;
};

// Takes one "; key=value" off the front of `rest`.
Result<Piece> take_piece(std::string_view& rest) {
  rest = trimmed(rest);
  if (!rest.starts_with(';')) return malformed("a parameter of a header");
  rest = trimmed(rest.substr(1));
  size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return malformed("a parameter of a header");
  Piece piece{rest.substr(0, equals), {}};
  rest.remove_prefix(equals + 1);
  if (rest.starts_with('"')) {
    size_t close = rest.find('"', 1);
    if (close == std::string_view::npos) return malformed("a quote without its end");
    piece.value = rest.substr(1, close - 1);
    piece.quoted = true;
    rest.remove_prefix(close + 1);
  } else {
    size_t end = std::min(rest.find(';'), rest.size());
    piece.value = trimmed(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  rest = trimmed(rest);
  return piece;
}

bool is_boundary(std::string_view text) {
  return !text.empty() && text.size() <= 70 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("'()+_,-./:=?").contains(c);
  });
}

// The name that a Content-Disposition gives its part.
Result<std::string_view> part_name(std::string_view value) {
  size_t semicolon = std::min(value.find(';'), value.size());
  if (!iequals(trimmed(value.substr(0, semicolon)), "form-data")) return malformed("a part is no form-data");
  std::string_view rest = value.substr(semicolon), name;
  bool named = false;
  while (!rest.empty()) {
    TRY(Piece piece, take_piece(rest));
    if (iequals(piece.key, "name")) {
      bool plain = std::ranges::all_of(piece.value, [](char c) { return c >= ' ' && c < 0x7f && c != '\\'; });
      if (named || !piece.quoted || !plain) return malformed("the name of a part");
      named = true;
      name = piece.value;
    } else if (!iequals(piece.key, "filename") && !iequals(piece.key, "filename*")) {
      return malformed("an unknown parameter of a part");
    }
  }
  if (!named) return malformed("a part without a name");
  return name;
}

}  // namespace

Result<MultipartModel> MultipartModel::of(std::string_view content_type) {
  size_t semicolon = std::min(content_type.find(';'), content_type.size());
  std::string_view rest = content_type.substr(semicolon);
  std::string boundary;
  while (!rest.empty()) {
    TRY(Piece piece, take_piece(rest));
    if (!iequals(piece.key, "boundary")) continue;
    if (!boundary.empty() || !is_boundary(piece.value)) return malformed("its boundary");
    boundary = piece.value;
  }
  if (boundary.empty()) return malformed("it has no boundary");
  return MultipartModel(std::move(boundary));
}

Result<void> MultipartModel::feed(std::string_view bytes) {
  pending_.append(bytes);
  std::string_view rest = pending_;
  TRY_VOID(read(rest));
  pending_.erase(0, pending_.size() - rest.size());
  return {};
}

// As far as `rest` goes; what is left of it waits for more.
Result<void> MultipartModel::read(std::string_view& rest) {
  auto consume = [&](size_t n) {
    rest.remove_prefix(n);
    at_ += n;
  };
  for (;;) {
    switch (state_) {
      case State::kFirst: {
        size_t n = std::min(rest.size(), delimiter_.size());
        if (rest.substr(0, n) != std::string_view(delimiter_).substr(0, n))
          return malformed("it does not begin with its boundary");
        if (n < delimiter_.size()) return {};
        consume(n);
        state_ = State::kAfterDelimiter;
        break;
      }
      case State::kAfterDelimiter: {
        if (rest.size() < 2) return {};
        std::string_view two = rest.substr(0, 2);
        if (two != "--" && two != "\r\n") return malformed("what follows a boundary");
        state_ = two == "--" ? State::kEpilogue : State::kHeaders;
        if (++parts_ > kPartsMax) return malformed("too many parts");
        consume(2);
        break;
      }
      case State::kHeaders: {
        size_t end = rest.find("\r\n\r\n");
        if (rest.starts_with("\r\n")) return malformed("a part without a name");
        // Without their end as far as they are certain: its first three bytes may be here.
        if (std::min(end, rest.size() - std::min<size_t>(rest.size(), 3)) > kPartHeaderBytesMax)
          return malformed("the headers of a part are too long");
        if (end == std::string_view::npos) return {};
        TRY_VOID(headers(rest.substr(0, end)));
        consume(end + 4);
        if (state_ == State::kModel) model_begin_ = at_ - 2;
        break;
      }
      case State::kData:
      case State::kModel: {
        // All that cannot be the beginning of a delimiter is done with.
        size_t end = rest.find(delimiter_);
        bool found = end != std::string_view::npos;
        size_t done = found ? end : rest.size() - std::min(rest.size(), delimiter_.size() - 1);
        if (state_ == State::kModel) {
          if (value_.size() + done > kModelBytesMax)
            return fail(ErrorCode::kInvalidRequest, "The model's name is too long.", "model",
                        "invalid_value");
          value_.append(rest.substr(0, done));
          if (found) model_ = value_;
        }
        consume(done);
        if (!found) return {};
        consume(delimiter_.size());
        state_ = State::kAfterDelimiter;
        break;
      }
      case State::kEpilogue:
        if (!std::string_view("\r\n").starts_with(rest)) return malformed("something follows its end");
        return {};
    }
  }
}

Result<void> MultipartModel::headers(std::string_view block) {
  std::string_view name;
  bool named = false;
  for (bool last = false; !last;) {
    size_t end = block.find("\r\n");
    last = end == std::string_view::npos;
    std::string_view line = block.substr(0, end);
    block.remove_prefix(last ? block.size() : end + 2);
    size_t colon = line.find(':');
    bool plain = std::ranges::none_of(line, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    if (colon == 0 || colon == std::string_view::npos || !plain || line.front() == ' ' ||
        line.front() == '\t')
      return malformed("a header of a part");
    std::string_view key = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (iequals(key, "content-disposition")) {
      if (named) return malformed("a part with two names");
      TRY(name, part_name(value));
      named = true;
    } else if (!iequals(key, "content-type") && !iequals(key, "content-length")) {
      return malformed("an unknown header of a part");
    }
  }
  if (!named) return malformed("a part without a name");
  state_ = name == "model" ? State::kModel : State::kData;
  if (state_ == State::kData && iequals(trimmed(name), "model")) return malformed("the name of a part");
  if (state_ == State::kModel && model_) return malformed("two parts are called model");
  return {};
}

Result<void> MultipartModel::finish() const {
  if (state_ != State::kEpilogue) return malformed("it ends before its closing boundary");
  return {};
}

}  // namespace weir::server
