// Peppers: the secrets that digests of keys are made with. Whoever reads the store without them can verify no
// guess. The first makes new digests; the others still verify old ones. Each is known by a number made of
// itself. A value; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/hmac.h"
#include "weir/base/secret.h"
#include "weir/io/disk.h"
#include "weir/io/random.h"

namespace weir::accounts {

class Peppers {
 public:
  /// In order; at least one, none empty.
  explicit Peppers(const std::vector<Secret>& secrets);

  uint32_t current() const { return known_.front().number; }
  /// nullptr: it is not known here.
  const HmacSha256* find(uint32_t number) const;
  Sha256 digest(std::string_view text) const { return known_.front().hmac(text); }

 private:
  struct Known {
    uint32_t number;
    HmacSha256 hmac;
  };
  std::vector<Known> known_;
};

/// `configured` first, then what `path` holds (a pepper a line, the newest first). With neither, one is made
/// and kept there, 0600. Blocks. Errors: kIo.
Result<Peppers> open_peppers(const Secret& configured, const std::string& path, io::Disk& disk,
                             io::Random& random);

}  // namespace weir::accounts
