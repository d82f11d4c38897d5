// Poller: the epoll set of one loop, and what is due when the loop comes round. A socket stays in the set
// from its first wait to its close and is watched by its edges, so that waiting again costs no system call;
// whoever watches edges must remember what an edge said until it has read or written to the end. Asio, which
// served before, tried a recv before each wait, which found nothing (two a request, 0.46 us). Used on its
// loop.
//
// A descriptor leaves the set by name before it is closed: closing alone does not take it out while a child
// that is just being started holds a copy.
#pragma once

#include <sys/epoll.h>

#include <array>

#include "weir/base/intrusive_list.h"
#include "weir/base/result.h"
#include "weir/io/net/fd.h"

namespace weir::io::net {

class Poller {
 public:
  /// Who is told that a descriptor is ready. May forget itself or any other from inside the call.
  class Watch {
   public:
    virtual void on_ready(uint32_t events) = 0;  // EPOLLIN, EPOLLOUT, EPOLLHUP ...

   protected:
    ~Watch() = default;
  };
  /// Something to do when the loop comes round. Not done once it is destroyed.
  class Turn : public ListNode {
   public:
    virtual void on_turn() = 0;

   protected:
    ~Turn() = default;
  };

  /// Errors: kIo when the system has no descriptors left.
  static Result<Poller> create();
  Poller(Poller&& other) noexcept : epoll_(std::move(other.epoll_)) {}  // before anything is watched

  /// `events` as epoll_ctl(2) takes them. 0, or the errno of the failure. The watch outlives forget().
  int watch(int fd, uint32_t events, Watch& watch);
  /// Other events from now on; what is ready already is told again.
  int change(int fd, uint32_t events, Watch& watch);
  /// Nothing more is told, not even what is known already. Before the descriptor is closed.
  void forget(int fd, Watch& watch);

  void soon(Turn& turn) {
    if (!turn.linked()) turns_.push_back(turn);
  }
  bool has_turns() const { return !turns_.empty(); }
  /// Does what is due now; what that asks for comes with the next call.
  void run_turns();

  /// Waits until a descriptor is ready, at most `timeout_ms` (-1: as long as it takes), and tells the
  /// watches.
  void wait(int timeout_ms);

 private:
  explicit Poller(Fd epoll) : epoll_(std::move(epoll)) {}

  static constexpr int kEventsMax = 128;  // of one wait: what is ready beyond has its turn after those

  Fd epoll_;
  IntrusiveList<Turn> turns_;
  std::array<epoll_event, kEventsMax> events_;
  int at_ = 0;     // the event being told
  int count_ = 0;  // of the last wait
};

}  // namespace weir::io::net
