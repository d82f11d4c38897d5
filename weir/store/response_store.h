// ResponseStore: answers that callers asked to be kept, with what was asked, so that a later request can
// build on one (previous_response_id) whatever model server answered. Message content: kept only where the
// configuration says so, for one owner each, bounded by age and size. Thread-safe. Blocks: used on worker
// threads (io::offload).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "weir/base/clock.h"
#include "weir/base/result.h"

namespace weir::store {

struct KeptResponse {
  std::string id;     // "resp_..."
  std::string owner;  // exchange::client_of: a key or an address; nobody else sees it
  int64_t created_unix_ns = 0;
  std::string input;  // JSON array: every item the answer was given, those of earlier turns included
  std::string body;   // the answer, a JSON object
};

class ResponseStore {
 public:
  virtual ~ResponseStore() = default;
  /// On the device when it returns.
  virtual Result<void> put(const KeptResponse& response) = 0;
  virtual Result<std::optional<KeptResponse>> find(const std::string& owner, const std::string& id) = 0;
  /// False: there was none.
  virtual Result<bool> remove(const std::string& owner, const std::string& id) = 0;
  /// Removes what was made before, and the oldest until at most `bytes_max` are kept; how many.
  virtual Result<uint64_t> expire(WallTime before, uint64_t bytes_max) = 0;
};

}  // namespace weir::store
