// One accepted connection of a Server: its buffers, its place in the keep-alive loop. Private to
// http/server.cc and http/response_writer.cc.
#pragma once

#include <memory>
#include <string>

#include "weir/http/server.h"

namespace weir::http {

class ServerConnection final : public ListNode, InboxWatcher {
 public:
  ServerConnection(Server& server, std::unique_ptr<io::Stream> stream)
      : server_(server),
        options_(server.options()),
        stream_(std::move(stream)),
        inbox_(*stream_),
        body_(inbox_),
        scanner_(options_.head) {}

  /// Serves requests until the connection ends.
  io::Task<void> run();
  /// Answers 503 (or 429: too many of its address) and closes.
  io::Task<void> turn_away(bool of_client);
  /// The address that a limit by client counts; empty: none (a Unix socket).
  std::string_view client() const { return stream_->peer() == "unix" ? std::string_view() : stream_->peer(); }
  void drain();
  void close(io::CancelReason reason);

 private:
  friend struct Request;
  friend class BodyPieces;
  friend class ResponseWriter;

  void on_inbox(io::IoStatus status) override;
  io::Task<bool> read_head();
  io::Task<bool> handle();
  io::Task<void> take_rest();
  io::Task<void> refuse(Error error);
  io::Task<bool> skip_body();
  io::Task<void> linger();
  void watch();

  Server& server_;
  const ServerOptions options_;
  std::unique_ptr<io::Stream> stream_;
  Inbox inbox_;
  BodyReader body_;
  HeadScanner scanner_;
  RequestHead head_;
  std::string head_bytes_;  // what head_ points into
  io::Cancel scope_;
  io::Cancel* request_scope_ = nullptr;
  Duration rest_{};  // before the next head is read
  int at_once_ = 0;  // requests in a row that were there already
  bool closing_ = false;
  bool keep_alive_ = true;
  bool idle_ = false;          // waiting for the first byte of a head
  bool continue_due_ = false;  // the client holds its body back until it is told "100 Continue"
};

}  // namespace weir::http
