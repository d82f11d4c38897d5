#include "weir/io/net/resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "weir/io/net/net_loop.h"

namespace weir::io::net {

Task<Result<std::vector<SocketAddress>>> Resolver::resolve(const Address& address, Cancel& cancel) {
  if (auto literal = SocketAddress::literal(address)) co_return std::vector{*literal};
  if (address.kind == Address::Kind::kUnix)
    co_return fail_internal(ErrorCode::kUpstream, "the Unix socket path is too long: " + address.host);

  auto found = entries_.find(address.host);
  if (found == entries_.end()) {
    make_room();
    found = entries_.emplace(address.host, std::make_shared<Entry>()).first;
    start(address.host, found->second);
  } else if (!found->second->pending && loop_.now() >= found->second->until) {
    start(address.host, found->second);
  }
  std::shared_ptr<Entry> entry = found->second;
  if (entry->pending && !co_await entry->answered.wait(cancel))
    co_return fail_internal(ErrorCode::kCancelled, "cancelled while resolving " + address.host);

  auto answer = entry->answer;
  if (answer)
    for (SocketAddress& one : *answer)
      one = one.with_port(address.port);
  co_return answer;
}

void Resolver::start(const std::string& host, const std::shared_ptr<Entry>& entry) {
  entry->pending = true;
  auto answer = std::make_unique<Result<std::vector<SocketAddress>>>();
  auto* slot = answer.get();  // the worker writes it, then `done` reads it; `done` owns it all along
  loop_.offload([host, slot] { *slot = look_up(host); },
                [this, entry, answer = std::move(answer)] {
                  entry->answer = std::move(*answer);
                  entry->pending = false;
                  entry->until = loop_.now() + (entry->answer ? kAnswerLife : kFailureLife);
                  entry->answered.notify();
                });
}

// The table is small and seldom full, so it is searched rather than kept in order: first what expired, else
// whatever comes first.
void Resolver::make_room() {
  if (entries_.size() < kEntriesMax) return;
  MonoTime now = loop_.now();
  std::erase_if(entries_, [now](const auto& e) { return !e.second->pending && now >= e.second->until; });
  while (entries_.size() >= kEntriesMax)
    entries_.erase(entries_.begin());
}

Result<std::vector<SocketAddress>> Resolver::look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    const char* why = code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code);
    Error error = internal_error(ErrorCode::kUpstream, fmt::format("cannot resolve {}: {}", host, why));
    error.retryable = true;
    return Unexpected(std::move(error));
  }
  std::vector<SocketAddress> result;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
    result.push_back(address);
  }
  freeaddrinfo(list);
  if (result.empty())
    return fail_internal(ErrorCode::kUpstream, fmt::format("cannot resolve {}: no address", host));
  return result;
}

}  // namespace weir::io::net
