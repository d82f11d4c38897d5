// ThoughtPins: which model signed which thoughts, so that a conversation that carries them goes on with that
// model (Anthropic's signatures, Gemini's thought signatures, OpenAI's encrypted reasoning: another model
// refuses them, or has to do without them).
//
// A table of 64-bit words shared by all cores: 48 bits of the signature's digest, 16 bits of the target's. No
// text is kept, nothing is locked, an old entry gives way to a new one of the same place. A lost entry, a
// restart or another replica costs one refusal: a target that finds the thoughts foreign is passed over
// (Verdict::kUnfit), and who signed them is asked.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "weir/exchange/chat.h"
#include "weir/exchange/exchange.h"

namespace weir::upstream {

class ThoughtPins {
 public:
  ThoughtPins() : words_(kWords) {}

  /// These thoughts are this target's. Thread-safe.
  void note(std::string_view signature, std::string_view provider, std::string_view model);
  /// Whose of the targets they are; nullptr: unknown, or none of these. Thread-safe.
  const exchange::Target* find(std::string_view signature,
                               const std::vector<exchange::Target>& targets) const;

 private:
  static constexpr size_t kWords = 1 << 16;
  std::vector<std::atomic<uint64_t>> words_;
};

/// The signatures among the parts, and redacted thoughts, which are signed as a whole.
std::vector<std::string_view> signatures_of(const std::vector<exchange::chat::Part>& parts);

/// Could a request or an answer of this dialect hold any? A text that speaks of them says yes, too.
bool may_hold_signatures(exchange::Dialect dialect, std::string_view body);

}  // namespace weir::upstream
