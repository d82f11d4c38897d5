#include "weir/io/net/poller.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "weir/io/net/socket_calls.h"

namespace weir::io::net {

Result<Poller> Poller::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_internal(ErrorCode::kIo, fmt::format("cannot watch sockets: {}", strerror(errno)));
  return Poller(std::move(epoll));
}

int Poller::watch(int fd, uint32_t events, Watch& watch) {
  epoll_event event{.events = events, .data = {.ptr = &watch}};
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int Poller::change(int fd, uint32_t events, Watch& watch) {
  epoll_event event{.events = events, .data = {.ptr = &watch}};
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

void Poller::forget(int fd, Watch& watch) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = at_; i < count_; ++i)
    if (events_[i].data.ptr == &watch) events_[i].data.ptr = nullptr;
}

void Poller::run_turns() {
  IntrusiveList<Turn> due;
  due.splice(turns_);
  while (!due.empty())
    due.pop_front().on_turn();
}

void Poller::wait(int timeout_ms) {
  count_ = wait_for_events(epoll_.get(), events_, timeout_ms);  // -1: a signal came
  for (at_ = 0; at_ < count_; ++at_)
    if (auto* watch = static_cast<Watch*>(events_[at_].data.ptr)) watch->on_ready(events_[at_].events);
  at_ = count_ = 0;
}

}  // namespace weir::io::net
