#include "weir/upstream/provider/local/local_provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/upstream/model_call.h"

namespace weir::upstream {
namespace {

int thread_count(int64_t configured, int cpu_count) {
  // One core stays free for the gateway: with every core busy generation runs at a half or less (measured: 50
  // tok/s with two threads beside a busy core, 94 with one).
  return configured > 0 ? static_cast<int>(configured) : std::max(cpu_count - 1, 1);
}

io::ProcessOptions chat_process(const LocalChatSettings& chat, const std::string& socket, int cpu_count) {
  io::ProcessOptions p;
  p.program = chat.server;
  std::string threads = std::to_string(thread_count(chat.threads, cpu_count));
  p.arguments = {"--host",
                 socket,
                 "--model",
                 chat.model,
                 "--alias",
                 chat.name,
                 "--ctx-size",
                 std::to_string(chat.context_tokens),
                 "--parallel",
                 std::to_string(chat.slots),
                 "--threads",
                 threads,
                 "--threads-batch",
                 threads,
                 "--kv-unified",  // the slots share the context: 313 MB instead of 498 with four of their own
                 "--cache-ram",   // its default prompt cache may grow to 8 GiB
                 "0",
                 "--no-slots",
                 "--jinja",
                 "--no-ui",
                 "--offline",
                 "--log-colors",
                 "off"};
  p.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  return p;
}

io::ProcessOptions embeddings_process(const LocalEmbeddingsSettings& e, const std::string& self,
                                      const std::string& socket, int cpu_count) {
  io::ProcessOptions p;
  p.program = self;
  p.arguments = {"embedder",
                 "--socket",
                 socket,
                 "--library",
                 e.library,
                 "--model",
                 e.model,
                 "--tokenizer",
                 e.tokenizer,
                 "--pooling",
                 e.pooling == Pooling::kMean ? "mean" : "cls",
                 "--model-name",
                 e.name,
                 "--threads",
                 std::to_string(thread_count(e.threads, cpu_count))};
  p.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  return p;
}

}  // namespace

Result<std::unique_ptr<LocalModels>> LocalModels::create(io::Loop& loop, const ProviderSettings& settings,
                                                         int cpu_count,
                                                         std::function<void(std::string_view)> log) {
  std::unique_ptr<LocalModels> models(new LocalModels(loop));
  TRY(models->directory_, loop.disk().make_temporary_directory("weir-local-"));
  auto add = [&](const std::string& name, auto&& make_process) {
    std::string socket = fmt::format("{}/{}.sock", models->directory_, models->models_.size());
    auto model = std::make_shared<LocalModel>(name, socket);
    models->models_.push_back(model);
    SupervisorOptions options;
    options.process = make_process(socket);
    models->supervisors_.push_back(std::make_unique<Supervisor>(loop, model, std::move(options), log));
  };
  for (const LocalChatSettings& chat : settings.chat)
    add(chat.name, [&](const std::string& socket) { return chat_process(chat, socket, cpu_count); });
  for (const LocalEmbeddingsSettings& e : settings.embeddings)
    add(e.name, [&](const std::string& socket) {
      return embeddings_process(e, loop.processes().self(), socket, cpu_count);
    });
  return models;
}

LocalModels::~LocalModels() {
  if (!directory_.empty()) loop_.disk().remove(directory_);
}

void LocalModels::start() {
  for (auto& s : supervisors_)
    s->start();
}

io::Task<void> LocalModels::stop() {
  for (auto& s : supervisors_)
    co_await s->stop();
}

LocalProvider::LocalProvider(std::string name, io::Loop& loop, json::Parser& parser,
                             const std::vector<std::shared_ptr<LocalModel>>& models)
    : name_(std::move(name)), parser_(parser) {
  for (const auto& model : models) {
    EndpointOptions options;
    options.url.scheme = BaseUrl::Scheme::kUnix;
    options.url.host = model->socket_path;
    options.url.path = "/v1";
    options.counts_tokens = true;
    entries_.push_back({model, std::make_unique<Endpoint>(loop, std::move(options))});
  }
}

io::Task<Result<void>> LocalProvider::call(const Attempt& attempt, io::Cancel& cancel) {
  const exchange::Target& target = attempt.target;
  for (Entry& entry : entries_) {
    if (entry.model->name != target.model) continue;
    LocalModel::State state = entry.model->state();
    if (state == LocalModel::State::kReady)
      co_return co_await call_model(*entry.endpoint, wire::wire_of(exchange::Dialect::kOpenAi), parser_,
                                    attempt, cancel);
    Error e = internal_error(ErrorCode::kUnavailable, entry.model->trouble());
    bool starting = state == LocalModel::State::kStarting;
    e.safe = fmt::format("The local model '{}' is {}; try again in a few seconds.", target.model,
                         starting ? "loading" : "not running right now");
    e.reason = starting ? "model_loading" : "model_down";
    e.retryable = true;
    e.retry_after_s = 2;
    co_return Unexpected(std::move(e));
  }
  co_return fail_internal(ErrorCode::kInternal, fmt::format("no local model '{}'", target.model));
}

// The supervisor watches the children; here it is enough that one is up.
io::Task<bool> LocalProvider::alive(io::Cancel&) {
  co_return std::ranges::any_of(entries_,
                                [](const Entry& e) { return e.model->state() == LocalModel::State::kReady; });
}

std::string LocalProvider::not_ready() const {
  for (const Entry& entry : entries_) {
    if (entry.model->state() == LocalModel::State::kStarting)
      return fmt::format("local model {} is loading", entry.model->name);
    if (entry.model->state() == LocalModel::State::kDown)
      return fmt::format("local model {} is down", entry.model->name);
  }
  return {};
}

void LocalProvider::retire() {
  for (Entry& entry : entries_)
    entry.endpoint->pool().retire();
}

}  // namespace weir::upstream
