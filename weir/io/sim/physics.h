// Physics: what the parts of one universe share: virtual time, the events to come, chance, the faults and the
// trace. Events happen in the order of their time, and of their scheduling when the times are equal; nothing
// depends on an address or a hash, so a run is a function of its seed and its calls. An event is a pointer to
// a counted object and a number: scheduling one allocates nothing. Not thread-safe.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/clock.h"
#include "weir/io/sim/universe.h"

namespace weir::io::sim {

/// Something events happen to; lives while a Ref or an event still to come points at it.
class Occurrence {
 public:
  Occurrence() = default;
  Occurrence(const Occurrence&) = delete;
  Occurrence& operator=(const Occurrence&) = delete;

  /// `what` is the number given to schedule(). Called from the queue only, never from inside another call.
  virtual void happen(uint32_t what) = 0;

 protected:
  virtual ~Occurrence() = default;

 private:
  template <class T>
  friend class Ref;
  friend class Physics;
  void ref() { ++references_; }
  void unref() {
    if (--references_ == 0) delete this;
  }
  uint32_t references_ = 0;
};

/// Keeps an Occurrence alive.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* target) : target_(target) {
    if (target_) target_->ref();
  }
  Ref(const Ref& other) : Ref(other.target_) {}
  Ref(Ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Ref() {
    if (target_) target_->unref();
  }
  T* operator->() const { return target_; }
  T& operator*() const { return *target_; }
  T* get() const { return target_; }
  explicit operator bool() const { return target_ != nullptr; }

 private:
  T* target_ = nullptr;
};

class Physics {
 public:
  // Not 0, which careless code takes for "never".
  static constexpr MonoTime kStart{1'000'000'000'000};

  Physics(uint64_t seed, const Faults& faults) : world_(seed), chance_(world_.next()), faults_(faults) {}
  ~Physics() { forget(); }
  Physics(const Physics&) = delete;
  Physics& operator=(const Physics&) = delete;

  MonoTime now() const { return now_; }
  Faults& faults() { return faults_; }
  Chance& chance() { return chance_; }       // for what happens by itself
  Chance& world_chance() { return world_; }  // for who plays the world: its draws change only their own order

  void schedule(MonoTime at, Occurrence& target, uint32_t what);
  void schedule(Duration after, Occurrence& target, uint32_t what) { schedule(now_ + after, target, what); }

  /// A moment later, as an event loop comes round again: 1 ns to 16 us.
  Duration soon() { return Duration(1 + static_cast<int64_t>(chance_.next() & 0x3fff)); }

  /// The earliest event, if it is due by `limit`. False: there is none.
  bool step(MonoTime limit = {INT64_MAX});
  /// Requires: nothing is due before.
  void pass_time(MonoTime until) {
    if (until > now_) now_ = until;
  }
  uint64_t events() const { return events_; }
  /// Drops every event to come.
  void forget();

  bool tracing() const { return static_cast<bool>(sink_); }
  void on_trace(std::function<void(std::string_view)> sink) { sink_ = std::move(sink); }
  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (tracing()) tell(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  struct Event {
    int64_t at_ns;
    uint64_t number;
    Occurrence* target;
    uint32_t what;
    static bool later(const Event& a, const Event& b) {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number;
    }
  };

  void tell(std::string_view line);

  MonoTime now_ = kStart;
  Chance world_;
  Chance chance_;
  Faults faults_;
  std::vector<Event> heap_;  // the earliest first
  uint64_t scheduled_ = 0;
  uint64_t events_ = 0;
  std::function<void(std::string_view)> sink_;
};

}  // namespace weir::io::sim
