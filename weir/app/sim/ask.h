// Ask: one request of a simulated client: what it sends, and what must come of it when nothing but the model
// server's script decides. The answer's text follows from the request alone (mock_word), so a client can
// check what it gets whatever way it took. Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/app/sim/plan.h"

namespace weir::app::sim {

struct Ask {
  enum class Kind : uint8_t { kChat, kCompletion, kEmbedding };
  Kind kind = Kind::kChat;
  int64_t tag = 0;
  bool stream = false;
  bool usage_wanted = false;
  bool chunked = false;  // the request's body
  std::string model = "chat";
  std::string key{kKey};
  bool account = false;  // the key is one of the accounts
  int64_t words = 4;
  int64_t word_bytes = 0;
  int64_t delay_ms = 0, first_word_delay_ms = 0, word_delay_ms = 0;
  int64_t status = 200;
  std::string fault;
  int64_t after = 0;
  size_t padding = 0;  // further bytes of the request's body

  /// What the script alone leads to. An answer that ends well, or an error whose code begins with one of
  /// `reasons` (before the answer began, or as the last event of a stream that began).
  struct Natural {
    bool well = true;
    bool done = true;  // a stream ends with [DONE]
    std::vector<std::string_view> reasons;
  };
  Natural natural() const;
  /// Bytes of a whole request.
  std::string bytes() const;
  std::string_view path() const;
  /// For the trace and for messages.
  std::string summary() const;
};

/// A request; its tag is still to be given. `quick`: one that is soon answered.
Ask draw_ask(io::sim::Chance& chance, bool quick);

}  // namespace weir::app::sim
