#include "weir/accounts/key.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"

namespace weir::accounts {
namespace {

constexpr std::string_view kPrefix = "wr_";
constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kEnvBytesMax = 16;
constexpr size_t kSecretBytes = 32;
constexpr size_t kSumBytes = 6;  // 62^6 > 2^32
constexpr size_t kTailBytes = kKeyIdBytes + kSecretBytes + kSumBytes;

bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::array<char, kSumBytes> checksum(std::string_view before) {
  uint32_t sum = crc32c(std::as_bytes(std::span(before)));
  std::array<char, kSumBytes> digits;
  for (size_t i = kSumBytes; i-- > 0; sum /= 62)
    digits[i] = kDigits[sum % 62];
  return digits;
}

void append_random(io::Random& random, std::string& out, size_t digits) {
  size_t wanted = out.size() + digits;
  while (out.size() < wanted) {
    std::array<unsigned char, 64> bytes{};
    random.secret(bytes);
    for (unsigned char b : bytes)
      if (b < 248 && out.size() < wanted) out += kDigits[b % 62];  // 248 = 4 * 62: no digit is likelier
  }
}

}  // namespace

KeyText read_key(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() < kPrefix.size() + 2 + kTailBytes) return {};
  std::string_view tail = text.substr(text.size() - kTailBytes);
  std::string_view env = text.substr(kPrefix.size(), text.size() - kPrefix.size() - kTailBytes);
  if (env.back() != '_') return {};
  env.remove_suffix(1);
  if (env.empty() || env.size() > kEnvBytesMax || !std::ranges::all_of(tail, is_digit) ||
      !std::ranges::all_of(env, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }))
    return {};
  auto sum = checksum(text.substr(0, text.size() - kSumBytes));
  if (std::memcmp(sum.data(), tail.data() + kTailBytes - kSumBytes, kSumBytes) != 0)
    return {KeyShape::kDamaged, {}};
  return {KeyShape::kKey, tail.substr(0, kKeyIdBytes)};
}

NewKey make_key(io::Random& random, std::string_view env, std::string_view id) {
  NewKey key;
  key.id = id;
  if (id.empty()) append_random(random, key.id, kKeyIdBytes);
  WEIR_ASSERT(key.id.size() == kKeyIdBytes);
  std::string text(kPrefix);
  text.reserve(kPrefix.size() + env.size() + 1 + kTailBytes);
  text += env;
  text += '_';
  text += key.id;
  append_random(random, text, kSecretBytes);
  auto sum = checksum(text);
  text.append(sum.data(), sum.size());
  key.last4 = text.substr(text.size() - 4);
  key.text = Secret(std::move(text));
  WEIR_ASSERT(read_key(key.text.reveal()).shape == KeyShape::kKey);
  return key;
}

std::string new_account_id(io::Random& random, std::string_view prefix) {
  std::string id(prefix);
  append_random(random, id, 12);
  return id;
}

uint64_t key_number(std::string_view id) {
  WEIR_ASSERT(id.size() == kKeyIdBytes);
  uint64_t number = 0;
  std::memcpy(&number, id.data(), sizeof(number));
  return number;
}

}  // namespace weir::accounts
