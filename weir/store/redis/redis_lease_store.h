// Leases in Redis 7 or Valkey: one hash a scope, one script (lease_script.h) a turn, all turns of a call sent
// together. A server that has forgotten the script is told it again. See lease_store.h for who may call.
#pragma once

#include "weir/store/lease_store.h"
#include "weir/store/redis/redis_client.h"

namespace weir::store::redis {

class RedisLeaseStore final : public LeaseStore {
 public:
  struct Options {
    std::string replica;                 // this replica's id: one word
    std::string prefix = "weir:lease:";  // of the keys
    RedisClient::Options client;
  };
  RedisLeaseStore(io::Loop& loop, RedisUrl url, Options options);

  io::Task<Result<std::vector<LeaseGrant>>> take(std::span<const LeaseTurn> turns, milliseconds lease,
                                                 io::Cancel& cancel) override;

 private:
  io::Task<Result<void>> load_script(io::Cancel& cancel);
  std::string commands_for(std::span<const LeaseTurn> turns, milliseconds lease) const;

  RedisClient client_;
  const Options options_;
  std::string script_sha_;  // empty: not told yet
};

}  // namespace weir::store::redis
