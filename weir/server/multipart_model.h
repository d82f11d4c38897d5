// MultipartModel: reads a multipart/form-data body (RFC 7578) while it passes, in pieces of any size, and
// finds the part called `model`. It is strict where readers differ, because a body that weir and the provider
// read differently would let a key reach a model it may not use: one Content-Disposition a part, a quoted
// name without escapes, no transfer encodings, one `model` in all, nothing but the closing line at the end.
// Keeps only the headers of the part under way. Linear in the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir::server {

class MultipartModel {
 public:
  /// Reads the boundary from a content type. Errors: kInvalidRequest.
  static Result<MultipartModel> of(std::string_view content_type);

  /// The next bytes of the body. Errors: kInvalidRequest; nothing more is read after one.
  Result<void> feed(std::string_view bytes);
  /// The body is over. Errors: kInvalidRequest, it was not whole.
  Result<void> finish() const;

  /// The model part's text, once it was read to its end.
  const std::optional<std::string>& model() const { return model_; }
  uint64_t model_begin() const { return model_begin_; }  // where it stands in the body
  bool ended() const { return state_ == State::kEpilogue; }

 private:
  enum class State : uint8_t { kFirst, kAfterDelimiter, kHeaders, kData, kModel, kEpilogue };
  explicit MultipartModel(std::string boundary)
      : delimiter_("\r\n--" + std::move(boundary)), pending_("\r\n") {}
  Result<void> headers(std::string_view block);
  Result<void> read(std::string_view& rest);

  std::string delimiter_;
  std::string pending_;  // not understood yet
  uint64_t at_ = 0;      // of pending_'s first byte, counted with the two bytes before the body
  std::string value_;    // of the model part under way
  std::optional<std::string> model_;
  uint64_t model_begin_ = 0;
  int parts_ = 0;
  State state_ = State::kFirst;
};

}  // namespace weir::server
