// For tests: a server whose handler is a function, and a client that speaks bytes. The client reads answers
// with a few lines of its own, so that what is tested does not judge itself. A guard cuts everything after 60
// s: a test that waits for what never comes fails instead of hanging.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/header.h"
#include "weir/http/server.h"
#include "weir/io/loop.h"
#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::http::testing {

inline io::Address any_port() {
  return {io::Address::Kind::kTcp, "127.0.0.1", 0};
}

/// A scope for all the waits of one test.
class Guard {
 public:
  explicit Guard(io::Loop& loop) : timeout_(scope_, io::CancelReason::kTotalTimeout) {
    loop.arm(timeout_, seconds(60));
  }
  ~Guard() { EXPECT_FALSE(scope_.requested()) << "the test waited for something that never came"; }
  io::Cancel& scope() { return scope_; }

 private:
  io::Cancel scope_;
  io::Timeout timeout_;
};

class TestServer final : public Handler {
 public:
  using Serve = std::function<io::Task<void>(Request&, ResponseWriter&)>;

  TestServer(io::Loop& loop, Serve serve, ServerOptions options = {}, const io::Address& at = any_port())
      : serve_(std::move(serve)), server_(loop, *this, options) {
    auto made = loop.network().listen(
        at, {}, [this](std::unique_ptr<io::Stream> stream) { server_.serve(std::move(stream)); });
    EXPECT_TRUE(made) << made.error().message;
    if (made) listener_ = std::move(*made);
  }
  io::Address address() const { return listener_->local(); }
  Server& server() { return server_; }
  void stop_listening() { listener_.reset(); }

  /// Ends every connection; the server may be destroyed then.
  io::Task<void> close() {
    listener_.reset();
    server_.close_all(io::CancelReason::kShutdown);
    co_await server_.tasks().idle();
  }

  io::Task<void> serve(Request& request, ResponseWriter& response) override {
    ++requests;
    return serve_(request, response);
  }
  std::string error_body(const Error& error) override {
    return "{\"refused\":\"" + std::string(error.for_caller()) + "\"}";
  }

  void on_turned_away(bool of_client) override { turned_away_of_client += of_client; }

  int requests = 0;
  int turned_away_of_client = 0;

 private:
  Serve serve_;
  Server server_;
  std::unique_ptr<io::Listener> listener_;
};

/// One answer as a client saw it.
struct Reply {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;       // without framing
  bool complete = false;  // its framing said that it is whole

  /// The value of a header; "" when there is none.
  std::string header(std::string_view name) const {
    for (size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
      size_t end = head.find("\r\n", at + 2);
      std::string_view line = std::string_view(head).substr(at + 2, end - at - 2);
      size_t colon = line.find(':');
      if (colon != std::string_view::npos && iequals(line.substr(0, colon), name))
        return std::string(line.substr(line.find_first_not_of(' ', colon + 1)));
      at = end;
    }
    return {};
  }
};

/// A connection to a server, and the bytes that came on it and were not taken yet.
class RawClient {
 public:
  RawClient(io::Loop& loop, io::Cancel& cancel) : loop_(loop), cancel_(cancel) {}

  io::Task<bool> connect(io::Address to) {
    auto stream = co_await loop_.network().connect(to, {}, cancel_);
    EXPECT_TRUE(stream) << stream.error().message;
    if (stream) stream_ = std::move(*stream);
    co_return stream.has_value();
  }
  io::Task<io::IoStatus> send(std::string bytes) {
    std::string_view view = bytes;
    co_return (co_await io::write(*stream_, {&view, 1}, cancel_)).status;
  }
  /// True: more bytes came.
  io::Task<bool> more() {
    char buffer[16 * 1024];
    io::IoResult got = co_await io::read(*stream_, buffer, cancel_);
    ended_ = got.status;
    if (got.ok()) bytes_.append(buffer, got.bytes);
    co_return got.ok();
  }
  /// The next answer, to the end of its message or of the connection.
  io::Task<Reply> reply(bool to_head_request = false) {
    Reply r;
    size_t end;
    while ((end = bytes_.find("\r\n\r\n")) == std::string::npos)
      if (!co_await more()) co_return r;
    r.head = bytes_.substr(0, end + 2);
    bytes_.erase(0, end + 4);
    r.status = std::atoi(r.head.substr(9, 3).c_str());
    std::string length = r.header("content-length");
    if (to_head_request || r.status == 100) {
      r.complete = true;
    } else if (r.header("transfer-encoding") == "chunked") {
      co_await chunks(r);
    } else if (!length.empty()) {
      auto bytes = static_cast<size_t>(std::atoll(length.c_str()));
      while (bytes_.size() < bytes && co_await more()) {
      }
      r.complete = bytes_.size() >= bytes;
      r.body = bytes_.substr(0, bytes);
      bytes_.erase(0, bytes);
    } else {
      while (co_await more()) {
      }
      r.body = std::exchange(bytes_, {});
    }
    co_return r;
  }
  /// Sends and waits for one answer.
  io::Task<Reply> ask(std::string bytes) {
    co_await send(std::move(bytes));
    co_return co_await reply();
  }
  /// Waits for the connection's end; the bytes that came before it.
  io::Task<std::string> rest() {
    while (co_await more()) {
    }
    co_return std::exchange(bytes_, {});
  }
  /// How the connection ended (kOk while it has not).
  io::IoStatus ended() const { return ended_; }
  const std::string& bytes() const { return bytes_; }
  void leave() { stream_.reset(); }
  bool open() const { return stream_ != nullptr; }

 private:
  io::Task<void> chunks(Reply& r) {
    for (;;) {
      size_t line;
      while ((line = bytes_.find("\r\n")) == std::string::npos)
        if (!co_await more()) co_return;
      size_t size = 0;
      std::from_chars(bytes_.data(), bytes_.data() + line, size, 16);
      while (bytes_.size() < line + 2 + size + 2)
        if (!co_await more()) {
          r.body += bytes_.substr(line + 2, size);
          co_return;
        }
      r.body += bytes_.substr(line + 2, size);
      bytes_.erase(0, line + 2 + size + 2);
      if (size == 0) {
        r.complete = true;
        co_return;
      }
    }
  }

  io::Loop& loop_;
  io::Cancel& cancel_;
  std::unique_ptr<io::Stream> stream_;
  std::string bytes_;
  io::IoStatus ended_ = io::IoStatus::kOk;
};

inline std::string get(std::string_view path, std::string_view headers = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view headers = {}) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

}  // namespace weir::http::testing
