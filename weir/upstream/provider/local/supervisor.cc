#include "weir/upstream/provider/local/supervisor.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::upstream {

Supervisor::Supervisor(io::Loop& loop, std::shared_ptr<LocalModel> model, SupervisorOptions options,
                       std::function<void(std::string_view)> log)
    : loop_(loop), model_(std::move(model)), options_(std::move(options)), log_(std::move(log)) {}

Supervisor::~Supervisor() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void Supervisor::start() {
  tasks_.start(run());
}

io::Task<void> Supervisor::stop() {
  scope_.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
}

io::Task<void> Supervisor::run() {
  Duration pause = options_.backoff_min;
  while (!scope_.requested()) {
    model_->set_starting();
    bool was_stable = co_await run_once();
    if (scope_.requested()) break;
    if (was_stable) pause = options_.backoff_min;
    log_(fmt::format("local model {}: {}; starting it again in {} ms", model_->name, model_->trouble(),
                     static_cast<int64_t>(to_milliseconds(pause))));
    if (!co_await io::sleep(loop_, pause, scope_)) break;
    pause = std::min(pause * 2, options_.backoff_max);
  }
  model_->set_down("stopped");
  loop_.disk().remove(model_->socket_path);
}

io::Task<bool> Supervisor::run_once() {
  loop_.disk().remove(model_->socket_path);
  io::Event ended;
  io::ExitStatus exit;
  bool running = true;
  auto process = loop_.processes().spawn(options_.process, [&](io::ExitStatus status) {
    exit = status;
    running = false;
    ended.notify();
  });
  if (!process) {
    model_->set_down(process.error().message);
    co_return false;
  }
  MonoTime started = loop_.now();
  auto down = [&](std::string why) {
    std::string last = (*process)->last_output();
    model_->set_down(last.empty() ? std::move(why) : fmt::format("{}; its last lines:\n{}", why, last));
  };

  while (running) {
    if (co_await healthy(scope_)) break;
    if (scope_.requested()) co_return false;
    if (loop_.now() - started > options_.start_timeout) {
      down(fmt::format("was not ready after {} s", static_cast<int64_t>(to_seconds(options_.start_timeout))));
      co_return false;
    }
    co_await io::sleep(loop_, milliseconds(50), scope_);
  }
  MonoTime ready = loop_.now();
  if (running) {
    model_->set_ready();
    log_(fmt::format("local model {}: ready after {:.0f} ms (pid {})", model_->name,
                     to_milliseconds(ready - started), (*process)->pid()));
  }
  while (running)
    if (!co_await ended.wait(scope_)) co_return false;
  down((running ? "" : exit.to_string()));
  co_return loop_.now() - ready > options_.stable_after;
}

io::Task<bool> Supervisor::healthy(io::Cancel& cancel) {
  http::ClientOptions options;
  options.address = {io::Address::Kind::kUnix, model_->socket_path, 0};
  http::ConnectionPool pool(loop_, options);
  http::ClientCall call(pool);
  std::string_view request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  auto sent =
      co_await call.send("GET", {&request, 1}, {.connect = seconds(1), .headers = seconds(2)}, cancel);
  co_return sent&& call.head().status == 200;
}

}  // namespace weir::upstream
