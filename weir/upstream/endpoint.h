// Endpoint: one server that speaks HTTP, as a base URL of the configuration describes it: its connection pool
// on this core and the parts of the request head that never change. Only configuration makes endpoints;
// nothing in a request can choose where weir connects to.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/header.h"
#include "weir/base/settings.h"
#include "weir/http/client.h"
#include "weir/io/loop.h"
#include "weir/wire/wire.h"

namespace weir::upstream {

struct EndpointOptions {
  BaseUrl url;
  Secret api_key;                       // empty: none
  std::string api_version;              // Azure's: in every query, and a path for each model; empty: none
  std::string_view key_header;          // sent in this header; empty: as "Authorization: Bearer"
  std::vector<UpstreamHeader> headers;  // added to every request
  std::string ca_pem;            // trust these instead of the system's authorities; empty: the system's
  bool traced = false;           // it is told of the trace as one of our spans, not as the caller's
  size_t connections_max = 256;  // of this core
  size_t queue_max = 1024;       // requests that wait for one of them, of this core
  bool counts_tokens = false;    // asked what a chat has, it says (wire::Wire::write_count)
  http::ClientCall::Phases check{seconds(2), seconds(5), seconds(10)};  // how long a check may take
};

class Endpoint {
 public:
  Endpoint(io::Loop& loop, EndpointOptions options);

  /// The head of a POST of `content_length` bytes of JSON to base path + `path`, with the caller's headers
  /// that any dialect passes, with those of `wire` if the caller's request is `relayed` in it, and with the
  /// wire's own. An idempotency key counts for `principal` alone: callers share the provider's account.
  std::string post_head(std::string_view path, HeaderList caller_headers, const wire::Wire& wire,
                        bool relayed, std::string_view principal, std::string_view request_id,
                        size_t content_length) const;
  /// The head of a request that is passed through: with its method, its content type and what it accepts.
  /// `content_length` nullopt: its body is sent in chunks.
  std::string pass_head(const exchange::PassThrough& pass, HeaderList caller_headers, const wire::Wire& wire,
                        std::string_view principal, std::string_view request_id,
                        std::optional<uint64_t> content_length) const;
  /// The head of a GET.
  std::string get_head(std::string_view path) const;

  /// The path of a call that asks `model`, behind the base path.
  std::string path_of(std::string_view path, std::string_view model) const;

  http::ConnectionPool& pool() { return *pool_; }
  /// host:port, or the path of its socket.
  std::string_view address() const { return address_; }
  bool counts_tokens() const { return counts_tokens_; }
  const http::ClientCall::Phases& check() const { return check_; }

 private:
  std::string_view behind_base(std::string_view path) const;
  void add_caller_headers(std::string& head, HeaderList caller_headers, const wire::Wire& wire, bool relayed,
                          std::string_view principal, std::string_view request_id) const;

  std::string fixed_;   // Host, Authorization, configured headers
  std::string prefix_;  // base path
  std::string api_version_;
  const bool traced_;
  std::string address_;
  bool counts_tokens_;
  http::ClientCall::Phases check_;
  std::unique_ptr<http::ConnectionPool> pool_;
};

/// Headers of a model server's answer that its caller gets: retry-after, rate limits, request ids. Never
/// cookies, never what belongs to the connection.
OwnedHeaders passed_answer_headers(HeaderList headers);

}  // namespace weir::upstream
