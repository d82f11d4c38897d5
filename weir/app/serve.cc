#include "weir/app/serve.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "weir/app/config_file.h"
#include "weir/app/config_watch.h"
#include "weir/app/default_settings.h"
#include "weir/app/gateway.h"
#include "weir/io/net/runtime.h"

namespace weir::app {
namespace {

void complain(const Error& error) {
  fmt::print(stderr, "weir: {}\n", error.message);
}

std::string curl_line(const std::string& url, const std::string& model) {
  return fmt::format(
      "curl -N {}/v1/chat/completions -H 'Content-Type: application/json' "
      "-d '{{\"model\":\"{}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"What is a "
      "reverse proxy?\"}}]}}'",
      url, model);
}

void print_ready(const Gateway& gateway, const Settings& settings, const DefaultSettings* defaults) {
  std::string url = gateway.urls().front();
  fmt::print("ready url={}\n", url);
  if (defaults) {
    fmt::print("  status    {}/ready   {}/metrics\n", url, url);
    fmt::print("  API key   {}  (for clients that want one; programs on this machine need none)\n",
               defaults->api_key);
    if (defaults->chat_model.empty())
      fmt::print(
          "  no local model: set providers in a configuration file and run weir serve --config FILE\n");
    else
      fmt::print("  try it    {}\n", curl_line(url, defaults->chat_model));
  } else if (!settings.models.empty()) {
    fmt::print("  models    {}\n", settings.models.size());
  }
  if (gateway.owner_key())
    fmt::print("  owner key {}  (of this installation's owner; shown this once)\n",
               gateway.owner_key()->reveal());
  if (!gateway.admin_url().empty()) fmt::print("  console   {}/console/\n", gateway.admin_url());
  std::fflush(stdout);
}

}  // namespace

int run_serve(const ServeCommand& command) {
  // A runtime of one loop first: the number of cores stands in the configuration, which only a loop's disk
  // can read.
  auto reader = io::net::Runtime::create({.cores = 1});
  if (!reader) return complain(reader.error()), 1;
  io::Loop& first = (*reader)->loop(0);
  std::optional<DefaultSettings> defaults;
  Result<std::shared_ptr<const Settings>> settings;
  if (command.config.empty()) {
    auto made = default_settings(command, first);
    if (!made) return complain(made.error()), 1;
    defaults = *std::move(made);
    settings = read_settings(defaults->yaml, "the embedded default", ".", first.disk(), first.processes());
  } else {
    settings = load_settings(command.config, first.disk(), first.processes());
  }
  if (!settings) return complain(settings.error()), 1;
  reader->reset();

  auto runtime = io::net::Runtime::create({.cores = static_cast<int>((*settings)->server.cores)});
  if (!runtime) return complain(runtime.error()), 1;
  std::vector<io::Loop*> loops;
  for (int i = 0; i < (*runtime)->size(); ++i)
    loops.push_back(&(*runtime)->loop(i));

  Gateway gateway(loops, *settings, loops.front()->processes().cpu_count());
  gateway.set_shown_config(defaults ? shown_config(defaults->yaml)
                                    : shown_config_file(command.config, loops.front()->disk()));
  std::optional<ConfigWatch> watch;
  // Before anybody can connect; heard when the loops run. Who ends weir while it starts has a clean end too.
  (*runtime)->on_signals([&](int signal) {
    if (signal == SIGHUP) {
      gateway.reopen_logs();
      if (watch) watch->reload();
      return;
    }
    watch.reset();
    gateway.drain([&] { (*runtime)->stop_all(); });
  });
  if (auto started = gateway.start(); !started) return complain(started.error()), 1;
  for (const std::string& problem : local_file_problems(**settings, loops.front()->disk()))
    gateway.log().error("a local model can not run", {{"problem", problem}});

  if (!command.config.empty()) watch.emplace(*loops.front(), gateway, command.config);
  print_ready(gateway, **settings, defaults ? &*defaults : nullptr);
  (*runtime)->run();
  return 0;
}

// ------------------------------------------------------------------------------------- check

namespace {

// Starts every local model once and waits until it is ready or ended.
io::Task<bool> try_local_models(io::Loop& loop, const Settings& settings) {
  bool good = true;
  for (const ProviderSettings& provider : settings.providers) {
    if (provider.kind != ProviderKind::kLocal) continue;
    auto models =
        upstream::LocalModels::create(loop, provider, loop.processes().cpu_count(), [](std::string_view) {});
    if (!models) {
      complain(models.error());
      co_return false;
    }
    (*models)->start();
    io::Cancel never;
    for (const auto& model : (*models)->models()) {
      while (model->state() == upstream::LocalModel::State::kStarting)
        co_await io::sleep(loop, milliseconds(50), never);
      bool ready = model->state() == upstream::LocalModel::State::kReady;
      if (ready)
        fmt::print("local model {}: ready\n", model->name);
      else
        fmt::print(stderr, "local model {}: {}\n", model->name, model->trouble());
      good = good && ready;
    }
    co_await (*models)->stop();
  }
  co_return good;
}

io::Task<void> check_models(io::Loop& loop, const Settings& settings, bool& good) {
  good = co_await try_local_models(loop, settings);
  loop.stop();
}

}  // namespace

int run_check(const std::string& config, bool quick) {
  auto runtime = io::net::Runtime::create({.cores = 1});
  if (!runtime) return complain(runtime.error()), 1;
  io::Loop& loop = (*runtime)->loop(0);
  auto settings = load_settings(config, loop.disk(), loop.processes());
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return 1;
  }
  bool good = true;
  for (const std::string& problem : local_file_problems(**settings, loop.disk())) {
    fmt::print(stderr, "{}: {}\n", config, problem);
    good = false;
  }
  if (good && !quick) {
    io::TaskGroup tasks;
    tasks.start(check_models(loop, **settings, good));
    (*runtime)->run();
  }
  if (good) fmt::print("{}: ok\n", config);
  return good ? 0 : 1;
}

}  // namespace weir::app
