// PassThrough: a request of an API that weir does not interpret. It goes to the provider that owns it with
// its method, path, query and body as they came, and its answer comes back the same way, both in pieces:
// nothing here grows with the body.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "weir/base/passed_api.h"
#include "weir/base/result.h"
#include "weir/io/task.h"

namespace weir::exchange {

/// The caller's body on its way to a provider; implemented by server/.
class PassedBody {
 public:
  /// From the first byte on, with `model` in the place of the caller's name of it. False: bytes that went out
  /// already are not held any more.
  virtual bool begin(std::string_view model) = 0;
  /// Its bytes in all, once begun; nullopt: not known before its end.
  virtual std::optional<uint64_t> length() const = 0;
  /// The next piece, valid until the next call; empty: the end. Errors: the caller's (too large, too slow,
  /// malformed), kCancelled.
  virtual io::Task<Result<std::string_view>> next() = 0;

 protected:
  ~PassedBody() = default;
};

struct PassThrough {
  PassedApi api;
  std::string_view method;
  std::string_view path;   // checked: no dot segments, no escaped separators (server/passed_path.h)
  std::string_view query;  // without the '?'
  bool has_body = false;
  PassedBody& body;
};

}  // namespace weir::exchange
