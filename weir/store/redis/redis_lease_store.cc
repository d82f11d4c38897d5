#include "weir/store/redis/redis_lease_store.h"

#include <algorithm>
#include <array>

#include "weir/store/lease_book.h"
#include "weir/store/redis/lease_script.h"

namespace weir::store::redis {
namespace {

Unexpected refused(const Reply& reply) {
  return fail_internal(ErrorCode::kIo, "redis: " + (reply.kind == Reply::Kind::kError
                                                        ? reply.text
                                                        : std::string("an answer of another shape")));
}

Result<LeaseGrant> grant_of(const Reply& reply) {
  if (reply.kind != Reply::Kind::kList) return refused(reply);
  std::vector<int64_t> numbers;
  for (const Reply& item : reply.list) {
    if (item.kind != Reply::Kind::kInteger) return refused(item);
    numbers.push_back(item.integer);
  }
  return lease_grant_of(numbers);
}

}  // namespace

RedisLeaseStore::RedisLeaseStore(io::Loop& loop, RedisUrl url, Options options)
    : client_(loop, std::move(url), options.client), options_(std::move(options)) {}

io::Task<Result<void>> RedisLeaseStore::load_script(io::Cancel& cancel) {
  std::string commands;
  append_command(commands, std::array<std::string_view, 3>{"SCRIPT", "LOAD", kLeaseScript});
  CO_TRY(auto replies, co_await client_.ask(std::move(commands), 1, cancel));
  if (replies.front().kind != Reply::Kind::kText) co_return refused(replies.front());
  script_sha_ = replies.front().text;
  co_return Result<void>();
}

std::string RedisLeaseStore::commands_for(std::span<const LeaseTurn> turns, milliseconds lease) const {
  std::string commands;
  for (const LeaseTurn& turn : turns) {
    std::vector<std::string> numbers{std::to_string(lease.count() * 1000)};
    for (int64_t n : numbers_of(turn))
      numbers.push_back(std::to_string(n));
    std::string key = options_.prefix + turn.scope;
    std::vector<std::string_view> words{"EVALSHA", script_sha_, "1", key, options_.replica};
    words.insert(words.end(), numbers.begin(), numbers.end());
    append_command(commands, words);
  }
  return commands;
}

io::Task<Result<std::vector<LeaseGrant>>> RedisLeaseStore::take(std::span<const LeaseTurn> turns,
                                                                milliseconds lease, io::Cancel& cancel) {
  std::vector<LeaseGrant> grants;
  if (turns.empty()) co_return grants;
  for (bool again = false;; again = true) {
    if (script_sha_.empty()) CO_TRY_VOID(co_await load_script(cancel));
    CO_TRY(auto replies, co_await client_.ask(commands_for(turns, lease), turns.size(), cancel));
    if (!again && std::ranges::any_of(replies, [](const Reply& r) { return r.is_error("NOSCRIPT"); })) {
      script_sha_.clear();  // it was started anew; turns that were taken may be taken again
      continue;
    }
    for (const Reply& reply : replies) {
      CO_TRY(LeaseGrant grant, grant_of(reply));
      grants.push_back(grant);
    }
    co_return grants;
  }
}

}  // namespace weir::store::redis
