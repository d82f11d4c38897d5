#include "weir/upstream/thought_pins.h"

#include <cstring>
#include <string>

#include "weir/base/hash.h"

namespace weir::upstream {

namespace chat = exchange::chat;

namespace {

uint64_t digest(std::string_view text) {
  Sha256 whole = sha256(text);
  uint64_t first = 0;
  std::memcpy(&first, whole.data(), sizeof first);
  return first;
}

constexpr uint64_t kTargetBits = 0xFFFF;

uint64_t target_bits(std::string_view provider, std::string_view model) {
  std::string both(provider);
  both += '\0';
  both += model;
  return digest(both) & kTargetBits;
}

}  // namespace

// The place comes from the low bits of the digest, the 48 bits that are compared are its high ones.
void ThoughtPins::note(std::string_view signature, std::string_view provider, std::string_view model) {
  uint64_t d = digest(signature);
  words_[d % kWords].store((d & ~kTargetBits) | target_bits(provider, model), std::memory_order_relaxed);
}

const exchange::Target* ThoughtPins::find(std::string_view signature,
                                          const std::vector<exchange::Target>& targets) const {
  uint64_t d = digest(signature);
  uint64_t word = words_[d % kWords].load(std::memory_order_relaxed);
  if ((word & ~kTargetBits) != (d & ~kTargetBits)) return nullptr;
  for (const exchange::Target& target : targets)
    if (target_bits(target.provider, target.model) == (word & kTargetBits)) return &target;
  return nullptr;
}

std::vector<std::string_view> signatures_of(const std::vector<chat::Part>& parts) {
  std::vector<std::string_view> found;
  for (const chat::Part& part : parts) {
    if (!part.signature.empty()) found.push_back(part.signature);
    if (part.kind == chat::PartKind::kRedactedThinking && !part.data.empty()) found.push_back(part.data);
  }
  return found;
}

// memmem: string_view::contains looks for the first character alone, and a quote is everywhere in JSON.
bool may_hold_signatures(exchange::Dialect dialect, std::string_view body) {
  auto holds = [&](std::string_view word) {
    return memmem(body.data(), body.size(), word.data(), word.size()) != nullptr;
  };
  if (dialect == exchange::Dialect::kAnthropic)
    return holds(R"("signature")") || holds(R"("redacted_thinking")");
  return dialect == exchange::Dialect::kResponses && holds(R"("encrypted_content")");
}

}  // namespace weir::upstream
