// Supervisor: keeps one local model's child process running: starts it, waits until it answers GET /health on
// its private Unix socket, starts it again with growing pauses when it ends, keeps its last lines for the
// error, and ends it with weir (also after kill -9 of weir: the kernel does it). Lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "weir/http/client.h"
#include "weir/io/loop.h"
#include "weir/upstream/provider/local/local_model.h"

namespace weir::upstream {

struct SupervisorOptions {
  io::ProcessOptions process;
  Duration start_timeout = seconds(120);     // to ready; longer: killed and started again
  Duration backoff_min = milliseconds(500);  // pause before a restart; doubles up to
  Duration backoff_max = seconds(30);
  Duration stable_after = seconds(60);  // up that long: the pause starts from the minimum again
};

class Supervisor {
 public:
  /// `log` is told of every change, for the operator. All three outlive the supervisor.
  Supervisor(io::Loop& loop, std::shared_ptr<LocalModel> model, SupervisorOptions options,
             std::function<void(std::string_view)> log);
  ~Supervisor();

  void start();
  /// Ends the child and the waiting; resumes when all is over.
  io::Task<void> stop();
  const LocalModel& model() const { return *model_; }

 private:
  io::Task<void> run();
  /// From spawn to the child's end. True: it was ready for a while.
  io::Task<bool> run_once();
  io::Task<bool> healthy(io::Cancel& cancel);

  io::Loop& loop_;
  std::shared_ptr<LocalModel> model_;
  const SupervisorOptions options_;
  std::function<void(std::string_view)> log_;
  io::Cancel scope_;
  io::TaskGroup tasks_;
};

}  // namespace weir::upstream
