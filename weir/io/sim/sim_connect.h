// ConnectAttempt: one attempt to connect: the name is looked up, the request travels, a listener answers or
// nobody does, and the answer travels back. What is lost on the way (a partition, a machine that is switched
// off, Faults::unanswered) ends after two minutes, as TCP gives up; callers have shorter limits.
#pragma once

#include <coroutine>
#include <memory>
#include <string>

#include "weir/base/intrusive_list.h"
#include "weir/io/cancel.h"
#include "weir/io/network.h"
#include "weir/io/sim/physics.h"
#include "weir/io/sim/sim_loop.h"

namespace weir::io::sim {

class ConnectAttempt;
class SimConnection;
class SimMachine;
class SimNet;
class SimStream;

/// co_await of an attempt. Its frame may go away meanwhile; the attempt then ends unheard.
class ConnectWait final : CancelNode {
 public:
  ConnectWait(ConnectAttempt& attempt, Cancel& cancel) : attempt_(attempt), cancel_(cancel) {}
  ~ConnectWait();
  ConnectWait(const ConnectWait&) = delete;
  ConnectWait& operator=(const ConnectWait&) = delete;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> h);
  void await_resume() const {}

 private:
  friend class ConnectAttempt;
  void on_cancel(CancelReason) override;
  void wake() {
    CancelNode::unlink();
    waiter_.resume();
  }
  ConnectAttempt& attempt_;
  Cancel& cancel_;
  std::coroutine_handle<> waiter_;
};

/// In its process's list until it ends.
class ConnectAttempt final : public Occurrence, public ListNode {
 public:
  ConnectAttempt(SimNet& net, SimLoop& loop, const Address& to, bool tls);
  ~ConnectAttempt() override;

  /// The stream, or why there is none (empty: cancelled). Of an attempt that ended.
  std::unique_ptr<SimStream> take_stream() { return std::move(stream_); }
  const std::string& failure() const { return failure_; }
  bool tls_failed() const { return tls_failed_; }

  void process_died();

 private:
  friend class ConnectWait;
  enum What : uint32_t { kLookedUp, kArrives, kAnswered, kRefused, kLost, kCancelled, kDied };

  void begin();
  void happen(uint32_t what) override;
  void looked_up();
  void travel();
  void arrive();
  void answer_with(What what, Duration after);
  void finish(std::string failure);
  std::string peer_text() const;

  SimNet& net_;
  Physics& physics_;
  const Ref<SimLoop> loop_;  // its last events may come when the process is buried
  const Address to_;
  const bool tls_;
  SimMachine& from_;
  SimMachine* target_ = nullptr;
  ConnectWait* wait_ = nullptr;
  std::unique_ptr<SimStream> stream_;  // from the moment the other side has it
  std::string failure_;
  bool ended_ = false;
  bool tls_mismatch_ = false;
  bool tls_failed_ = false;
};

}  // namespace weir::io::sim
