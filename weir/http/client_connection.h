// One connection of a ConnectionPool: stream, buffer, and its place in the idle list. Private to
// http/client*.cc.
#pragma once

#include <memory>
#include <string>

#include "weir/http/client.h"

namespace weir::http {

class ClientConnection final : public ListNode, InboxWatcher {
 public:
  ClientConnection(ConnectionPool& pool, std::unique_ptr<io::Stream> s)
      : stream(std::move(s)),
        inbox(*stream),
        body(inbox),
        scanner(pool.options().response_head),
        pool_(pool),
        reaper_(*this) {}

  /// Idle from now on: watched for the server's close, reaped after idle_max. May destroy this connection at
  /// once.
  void rest();
  /// In use again.
  void wake();

  std::unique_ptr<io::Stream> stream;
  Inbox inbox;
  BodyReader body;
  HeadScanner scanner;
  ResponseHead head;
  std::string head_bytes;  // what head points into
  uint64_t calls = 0;      // made over it so far

 private:
  struct Reaper final : io::Timer {
    explicit Reaper(ClientConnection& c) : connection(c) {}
    void on_timer() override { connection.discard(); }
    ClientConnection& connection;
  };
  // Whatever comes on an idle connection, its end or bytes nobody asked for, ends it.
  void on_inbox(io::IoStatus) override { discard(); }
  void discard();

  ConnectionPool& pool_;
  Reaper reaper_;
};

}  // namespace weir::http
