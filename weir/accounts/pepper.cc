#include "weir/accounts/pepper.h"

#include <algorithm>
#include <array>

#include "weir/base/assert.h"

namespace weir::accounts {
namespace {

constexpr size_t kFileBytesMax = 64 << 10;

uint32_t number_of(const Secret& secret) {
  std::string text = "weir pepper " + std::string(secret.reveal());
  Sha256 digest = sha256(text);
  wipe(text);
  return static_cast<uint32_t>(digest[0]) << 24 | static_cast<uint32_t>(digest[1]) << 16 |
         static_cast<uint32_t>(digest[2]) << 8 | digest[3];
}

}  // namespace

Peppers::Peppers(const std::vector<Secret>& secrets) {
  WEIR_ASSERT(!secrets.empty());
  for (const Secret& secret : secrets) {
    WEIR_ASSERT(!secret.empty());
    known_.push_back({number_of(secret), HmacSha256(secret.reveal())});
  }
}

const HmacSha256* Peppers::find(uint32_t number) const {
  auto at = std::ranges::find(known_, number, &Known::number);
  return at == known_.end() ? nullptr : &at->hmac;
}

Result<Peppers> open_peppers(const Secret& configured, const std::string& path, io::Disk& disk,
                             io::Random& random) {
  std::vector<Secret> secrets;
  if (!configured.empty()) secrets.push_back(configured);
  if (disk.stat(path)) {
    TRY(std::string text, disk.read_file(path, kFileBytesMax));
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(text.find('\n', at), text.size());
      if (end > at) secrets.emplace_back(std::string_view(text).substr(at, end - at));
      at = end + 1;
    }
    wipe(text);
  }
  if (secrets.empty()) {
    Sha256 bytes{};
    random.secret(bytes);
    std::string text = to_hex(bytes);
    TRY_VOID(disk.write_file(path, text + "\n", 0600));
    secrets.emplace_back(std::move(text));
  }
  return Peppers(secrets);
}

}  // namespace weir::accounts
