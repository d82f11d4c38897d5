// The reader of keys against a second one that is written over whole strings with arithmetic of its own: the
// same verdict, and an id that lies inside the text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "weir/accounts/key.h"

namespace {

using weir::accounts::KeyShape;

void check(bool holds) {
  if (!holds) std::abort();
}

constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// Bit by bit, as RFC 3720 writes it down.
uint32_t crc32c(std::string_view text) {
  uint32_t crc = 0xffffffff;
  for (unsigned char byte : text) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

KeyShape shape(const std::string& text) {
  size_t second = text.size() > 3 ? text.find('_', 3) : std::string::npos;
  if (text.substr(0, 3) != "wr_" || second == std::string::npos) return KeyShape::kOther;
  std::string env = text.substr(3, second - 3), tail = text.substr(second + 1);
  if (env.empty() || env.size() > 16 || tail.size() != 46) return KeyShape::kOther;
  if (env.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") != std::string::npos ||
      tail.find_first_not_of(kDigits) != std::string::npos)
    return KeyShape::kOther;
  uint64_t said = 0;
  for (char c : tail.substr(40))
    said = said * 62 + kDigits.find(c);
  return said == crc32c(text.substr(0, text.size() - 6)) ? KeyShape::kKey : KeyShape::kDamaged;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (bool framed : {false, true}) {  // most bytes never get past the prefix on their own
    if (framed) {
      for (char& c : text)
        c = kDigits[static_cast<unsigned char>(c) % 62];
      text.resize(40, '0');
      text = "wr_live_" + text;
      uint32_t crc = crc32c(text);
      std::string sum;
      for (int i = 0; i < 6; ++i, crc /= 62)
        sum.insert(sum.begin(), kDigits[crc % 62]);
      text += sum;
      if (size % 3 == 0) text[size % text.size()] ^= 1;
    }
    weir::accounts::KeyText read = weir::accounts::read_key(text);
    check(read.shape == shape(text));
    if (read.shape == KeyShape::kKey) {
      check(read.id.size() == weir::accounts::kKeyIdBytes);
      check(read.id.data() >= text.data() && read.id.data() + read.id.size() <= text.data() + text.size());
      check(!framed || size % 3 == 0 || read.id == std::string_view(text).substr(8, 8));
    } else {
      check(read.id.empty());
      check(!framed || size % 3 == 0);
    }
  }
  return 0;
}
