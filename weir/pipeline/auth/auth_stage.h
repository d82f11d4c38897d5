// Authentication by API key: "Authorization: Bearer KEY" (or "api-key: KEY", as Azure's clients send it).
// Keys are known by their SHA-256 only; the comparison takes the same time for every wrong key. Fails closed:
// a wrong key is refused even where requests without a key are welcome.
#pragma once

#include <vector>

#include "weir/base/settings.h"
#include "weir/exchange/stage.h"

namespace weir::pipeline {

class AuthStage final : public exchange::Stage {
 public:
  /// `settings` outlives the stage.
  explicit AuthStage(const AuthSettings& settings);
  std::string_view name() const override { return "auth"; }
  io::Task<Result<Flow>> before(exchange::Exchange& exchange) override;

  /// The decision alone, for requests that carry no model call (GET /v1/models).
  Result<exchange::Principal> authenticate(HeaderList headers, bool peer_local) const;

 private:
  const ClientKeySettings* find(std::string_view key) const;

  const AuthSettings& settings_;
  std::vector<const ClientKeySettings*> by_hash_;  // sorted by digest
};

}  // namespace weir::pipeline
