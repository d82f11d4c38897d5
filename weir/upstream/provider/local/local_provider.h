// Models that run on this machine: each one is a supervised child process that speaks the OpenAI wire on a
// private Unix socket, so to the rest of the house it is one more endpoint. LocalModels owns the children
// (loop 0); LocalProvider is one core's way to them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/base/settings.h"
#include "weir/upstream/endpoint.h"
#include "weir/upstream/provider/local/supervisor.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

/// The children of one local provider. Made, started and stopped on one loop.
class LocalModels {
 public:
  /// Makes a private directory for the sockets. `cpu_count` decides the default of threads: all cores but
  /// one.
  static Result<std::unique_ptr<LocalModels>> create(io::Loop& loop, const ProviderSettings& settings,
                                                     int cpu_count,
                                                     std::function<void(std::string_view)> log);
  ~LocalModels();

  void start();
  io::Task<void> stop();
  const std::vector<std::shared_ptr<LocalModel>>& models() const { return models_; }

 private:
  explicit LocalModels(io::Loop& loop) : loop_(loop) {}

  io::Loop& loop_;
  std::string directory_;
  std::vector<std::shared_ptr<LocalModel>> models_;
  std::vector<std::unique_ptr<Supervisor>> supervisors_;
};

class LocalProvider final : public Provider {
 public:
  LocalProvider(std::string name, io::Loop& loop, json::Parser& parser,
                const std::vector<std::shared_ptr<LocalModel>>& models);

  std::string_view name() const override { return name_; }
  io::Task<Result<void>> call(const Attempt& attempt, io::Cancel& cancel) override;
  io::Task<bool> alive(io::Cancel& cancel) override;
  std::string not_ready() const override;
  void retire() override;

 private:
  struct Entry {
    std::shared_ptr<LocalModel> model;
    std::unique_ptr<Endpoint> endpoint;
  };
  const std::string name_;
  json::Parser& parser_;
  std::vector<Entry> entries_;
};

}  // namespace weir::upstream
