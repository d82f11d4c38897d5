#include "weir/upstream/token_estimate.h"

#include <string_view>

namespace weir::upstream {
namespace {

namespace chat = exchange::chat;

constexpr int64_t kMessageTokens = 4;
constexpr int64_t kImageTokens = 1600;

// Quarters of a token, so that many short texts are not each rounded up.
int64_t quarters(std::string_view text) {
  int64_t sum = 0;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80)
      sum += 1;
    else if (byte >= 0xC0)  // the first of a sequence
      sum += 6;
  }
  return sum;
}

int64_t quarters(const chat::Part& part) {
  if (part.kind == chat::PartKind::kImage) return 4 * kImageTokens;
  int64_t sum = quarters(part.text) + quarters(part.name);
  sum += static_cast<int64_t>(part.data.size()) / 4 * 3 / 4;  // a file: as if its bytes were text
  for (const chat::Part& inside : part.content)
    sum += quarters(inside);
  return sum;
}

}  // namespace

int64_t estimated_tokens(const chat::Request& request) {
  int64_t sum = 0;
  for (const chat::Message& message : request.messages) {
    sum += 4 * kMessageTokens;
    for (const chat::Part& part : message.parts)
      sum += quarters(part);
  }
  for (const chat::Tool& tool : request.tools)
    sum += 4 * kMessageTokens + quarters(tool.name) + quarters(tool.description) + quarters(tool.parameters);
  sum += quarters(request.format.schema);
  return (sum + 3) / 4;
}

}  // namespace weir::upstream
