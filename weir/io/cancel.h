// Cancel: one reason to stop, told to every wait below it. A wait registers a CancelNode and is woken when
// the scope is cancelled; a phase timer is nothing but a timer that cancels a scope (io/timer.h, Timeout); a
// child scope is cancelled with its parent. So a wait takes exactly one Cancel& and ends in three ways: done,
// failed, cancelled. Single loop. A scope outlives its waits and its children.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/base/intrusive_list.h"

namespace weir::io {

enum class CancelReason : uint8_t {
  kNone,
  kClientLeft,    // the caller closed its connection
  kClientSlow,    // the caller took too long to send or to read
  kQueueTimeout,  // upstream phases, in their order
  kConnectTimeout,
  kHeadersTimeout,
  kFirstTokenTimeout,
  kIdleTimeout,
  kTotalTimeout,
  kShutdown,   // the process ends
  kAbandoned,  // the owner no longer wants the result
};

std::string_view name(CancelReason reason);

class CancelNode : public ListNode {
 public:
  virtual void on_cancel(CancelReason reason) = 0;

 protected:
  ~CancelNode() = default;
};

class Cancel final : private CancelNode {
 public:
  Cancel() = default;
  explicit Cancel(Cancel& parent) {
    if (parent.requested())
      reason_ = parent.reason_;
    else
      parent.nodes_.push_back(*this);
  }

  ~Cancel() {
    if (gone_) *gone_ = true;
  }

  bool requested() const { return reason_ != CancelReason::kNone; }
  CancelReason reason() const { return reason_; }

  /// Wakes every registered wait; the first reason stays. What is woken may run on, and even destroy this
  /// scope.
  void request(CancelReason reason) {
    if (requested()) return;
    reason_ = reason;
    bool gone = false;
    gone_ = &gone;
    while (!gone && !nodes_.empty())
      nodes_.pop_front().on_cancel(reason);
    if (!gone) gone_ = nullptr;
  }

  /// Requires: !requested(). The node leaves the list when it is unlinked, destroyed or told.
  void add(CancelNode& node) { nodes_.push_back(node); }

 private:
  void on_cancel(CancelReason reason) override { request(reason); }

  IntrusiveList<CancelNode> nodes_;
  CancelReason reason_ = CancelReason::kNone;
  bool* gone_ = nullptr;  // set while request() runs
};

}  // namespace weir::io
