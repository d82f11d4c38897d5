// Script: what the mock is to do with one request. Its members are those of a JSON object, listed in
// weir/app/mock/README.md; a member that is none of them, or of another type, is an error, so that a typo in
// a test does not pass as success. Scripts are laid over each other member by member. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/header.h"
#include "weir/base/result.h"

namespace weir::app {

/// Word `index` of the text `seed`: " index-hash", filled up with x to `bytes`. Whoever knows the request
/// knows the answer, whatever way it took.
std::string mock_word(int64_t seed, int64_t index, int64_t bytes);

struct Script {
  struct ToolCall {
    std::string name;       // empty: of the request's tools, the one at this place
    std::string arguments;  // JSON
  };

  // What is said.
  int64_t frames = 8;
  int64_t text_bytes = 0;
  int64_t text_seed = -1;
  std::optional<std::string> text;
  bool echo = false;
  bool received = false;
  std::string thinking;
  std::string redacted;
  std::vector<ToolCall> tools;
  std::string finish;
  std::string usage = "final";
  int64_t input_tokens = 12;
  std::optional<int64_t> output_tokens;
  std::optional<int64_t> cached_tokens;
  bool done = true;
  bool frames_given = false;
  // To a request whose last message is the assistant's, and to one that asks to go on.
  std::string prefill = "continue";
  int64_t overlap = 0;

  // When.
  int64_t delay_ms = 0;
  int64_t first_frame_delay_ms = 0;
  int64_t frame_delay_ms = 0;
  int64_t piece_bytes = 0;
  int64_t piece_delay_ms = 0;
  int64_t stall_ms = 3'600'000;

  // What goes wrong.
  int64_t status = 200;
  std::string message;
  std::string fault;
  int64_t after = 4;
  int64_t header_bytes = 0;
  std::string content_type;
  OwnedHeaders headers;

  int64_t tag = -1;  // for a MockWatcher

  /// Errors: kInvalidRequest naming the member ("mock.frames").
  Result<void> apply(std::string_view object);
  /// Does a word of the answer follow from the script alone?
  bool numbered() const { return text_seed >= 0; }
};

}  // namespace weir::app
