#include "weir/app/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "weir/app/embedder_server.h"
#include "weir/io/net/runtime.h"

namespace weir::app {
namespace {

constexpr size_t kTokenizerBytesMax = 64 << 20;

std::string name_of(const EmbedderCommand& command) {
  if (!command.model_name.empty()) return command.model_name;
  std::string file = command.model.substr(command.model.find_last_of('/') + 1);
  return file.substr(0, file.find_last_of('.'));
}

int worker_count(int threads) {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  return threads > 0 ? threads : std::max(1, cores - 1);
}

Result<std::unique_ptr<embed::Embedder>> load(const EmbedderCommand& command, io::Disk& disk) {
  bool mean = command.pooling == "mean";
  if (!mean && command.pooling != "cls")
    return fail_internal(ErrorCode::kConfig,
                         fmt::format("pooling is cls or mean, not \"{}\"", command.pooling));
  embed::EmbedderOptions options;
  TRY(options.tokenizer_json, disk.read_file(command.tokenizer, kTokenizerBytesMax));
  options.library_path = command.library;
  options.model_path = command.model;
  options.pooling = mean ? embed::Pooling::kMean : embed::Pooling::kCls;
  auto opened = embed::Embedder::open(std::move(options));
  if (!opened && opened.error().message.starts_with("tokenizer.json: "))
    return fail_internal(ErrorCode::kConfig,
                         fmt::format("tokenizer {}: {}", command.tokenizer, opened.error().message));
  return opened;
}

EmbeddingModel model_of(const embed::Embedder& embedder, std::string name) {
  auto embed = [&embedder](const EmbeddingInput& input) {
    if (const auto* text = std::get_if<std::string>(&input)) return embedder.embed(*text);
    return embedder.embed_ids(std::get<std::vector<embed::TokenId>>(input));
  };
  return {.name = std::move(name), .dimensions = embedder.dimensions(), .embed = embed};
}

io::Task<void> end(http::Server& server, io::Loop& loop) {
  server.close_all(io::CancelReason::kShutdown);
  co_await server.tasks().idle();
  loop.stop();
}

Result<void> serve_until_told(const EmbedderCommand& command) {
  int workers = worker_count(command.threads);
  TRY(auto runtime, io::net::Runtime::create({.cores = 1, .workers_max = workers}));
  io::Loop& loop = runtime->loop(0);
  TRY(auto embedder, load(command, loop.disk()));
  EmbedderServer handler(loop, model_of(*embedder, name_of(command)), {.workers = workers});
  http::Server server(loop, handler, {.connections_max = 1024});
  io::Address at{.kind = io::Address::Kind::kUnix, .host = command.socket};
  auto accepted = [&server](std::unique_ptr<io::Stream> stream) { server.serve(std::move(stream)); };
  TRY(auto listener, loop.network().listen(at, {.shared_port = false}, accepted));
  fmt::print("ready url={}\n", at.to_string());
  std::fflush(stdout);
  io::TaskGroup ending;
  bool told = false;
  runtime->on_signals([&](int) {
    if (std::exchange(told, true)) return;
    listener.reset();
    ending.start(end(server, loop));
  });
  runtime->run();
  return {};
}

}  // namespace

int run_embedder(const EmbedderCommand& command) {
  auto served = serve_until_told(command);
  if (served) return 0;
  fmt::print(stderr, "weir embedder: {}\n", served.error().message);
  return 1;
}

}  // namespace weir::app
