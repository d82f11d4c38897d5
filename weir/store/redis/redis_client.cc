#include "weir/store/redis/redis_client.h"

#include <array>

namespace weir::store::redis {

RedisClient::RedisClient(io::Loop& loop, RedisUrl url, Options options)
    : loop_(loop), url_(std::move(url)), options_(options) {}

io::Task<Result<void>> RedisClient::connect(io::Cancel& cancel) {
  io::ConnectOptions options;
  options.tls = url_.tls;
  options.tls_options.server_name = url_.address.host;
  CO_TRY(stream_, co_await loop_.network().connect(url_.address, options, cancel));
  ++connections_;
  std::string commands;
  size_t count = 0;
  if (!url_.password.empty()) {
    if (url_.user.empty())
      append_command(commands, std::array<std::string_view, 2>{"AUTH", url_.password.reveal()});
    else
      append_command(commands, std::array<std::string_view, 3>{"AUTH", url_.user, url_.password.reveal()});
    ++count;
  }
  if (url_.database > 0) {
    append_command(commands, std::array<std::string_view, 2>{"SELECT", std::to_string(url_.database)});
    ++count;
  }
  if (count == 0) co_return Result<void>();
  auto replies = co_await exchange(commands, count, cancel);
  wipe(commands);
  if (!replies) co_return Unexpected(replies.error());
  for (const Reply& reply : *replies)
    if (reply.kind == Reply::Kind::kError)  // its words may name the user
      co_return fail_internal(ErrorCode::kIo,
                              "redis: refused the user, the password or the database of shared.redis");
  co_return Result<void>();
}

io::Task<Result<std::vector<Reply>>> RedisClient::exchange(std::string_view commands, size_t count,
                                                           io::Cancel& cancel) {
  std::array<std::string_view, 1> pieces{commands};
  io::IoResult sent = co_await io::write(*stream_, pieces, cancel);
  if (!sent.ok())
    co_return fail_internal(ErrorCode::kIo, "redis: the connection broke: " + std::string(name(sent.status)));
  std::vector<Reply> replies;
  std::string got;
  std::array<char, 16 * 1024> buffer;
  while (replies.size() < count) {
    io::IoResult read = co_await io::read(*stream_, buffer, cancel);
    if (!read.ok())
      co_return fail_internal(ErrorCode::kIo,
                              "redis: the connection broke: " + std::string(name(read.status)));
    got.append(buffer.data(), read.bytes);
    std::string_view rest = got;
    while (replies.size() < count) {
      CO_TRY(auto reply, take_reply(rest));
      if (!reply) break;
      replies.push_back(*std::move(reply));
    }
    got.erase(0, got.size() - rest.size());
  }
  // Nothing was asked that could have said more: what the two think of the order is no longer the same.
  if (!got.empty()) co_return fail_internal(ErrorCode::kIo, "redis: more replies than commands");
  co_return replies;
}

io::Task<Result<std::vector<Reply>>> RedisClient::ask_within(std::string_view commands, size_t count,
                                                             io::Cancel& cancel) {
  if (!stream_) CO_TRY_VOID(co_await connect(cancel));
  co_return co_await exchange(commands, count, cancel);
}

io::Task<Result<std::vector<Reply>>> RedisClient::ask(std::string commands, size_t count,
                                                      io::Cancel& cancel) {
  io::Cancel within(cancel);
  io::Timeout bound(within, io::CancelReason::kTotalTimeout);
  loop_.arm(bound, options_.answer);
  auto replies = co_await ask_within(commands, count, within);
  if (!replies) stream_.reset();
  if (!replies && within.requested() && !cancel.requested())
    co_return fail_internal(ErrorCode::kIo, "redis: no answer in time");
  co_return replies;
}

}  // namespace weir::store::redis
