// LocalModel: what the cores know of a model that runs on this machine as a child process. Written by the
// supervisor's loop, read by every core. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

namespace weir::upstream {

class LocalModel {
 public:
  enum class State : int {
    kStarting,  // the process runs and loads its model
    kReady,
    kDown,  // ended or could not start; will be started again
  };

  LocalModel(std::string model_name, std::string socket)
      : name(std::move(model_name)), socket_path(std::move(socket)) {}

  const std::string name;
  const std::string socket_path;

  State state() const { return state_.load(std::memory_order_acquire); }
  /// Why it is down, for the operator ("exited with code 1: <last lines>").
  std::string trouble() const {
    auto text = trouble_.load();
    return text ? *text : std::string();
  }
  int restarts() const { return restarts_.load(std::memory_order_relaxed); }

  void set_starting() { state_.store(State::kStarting, std::memory_order_release); }
  void set_ready() { state_.store(State::kReady, std::memory_order_release); }
  void set_down(std::string why) {
    trouble_.store(std::make_shared<const std::string>(std::move(why)));
    state_.store(State::kDown, std::memory_order_release);
    restarts_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<State> state_{State::kStarting};
  std::atomic<std::shared_ptr<const std::string>> trouble_;
  std::atomic<int> restarts_{0};
};

}  // namespace weir::upstream
