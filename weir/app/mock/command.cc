#include <fmt/format.h>

#include "weir/app/mock/server.h"
#include "weir/io/net/runtime.h"

namespace weir::app {
namespace {

constexpr size_t kPlanBytesMax = 1 << 20;

int failed(const Error& error) {
  fmt::print(stderr, "weir mock: {}\n", error.message);
  return 1;
}

}  // namespace

int run_mock(const MockCommand& command) {
  auto at = io::Address::parse(command.listen);
  if (!at) return failed(at.error());
  auto runtime = io::net::Runtime::create({.cores = 1});
  if (!runtime) return failed(runtime.error());
  io::Loop& loop = (*runtime)->loop(0);
  MockServer mock(loop);
  if (!command.plan.empty()) {
    auto plan = loop.disk().read_file(command.plan, kPlanBytesMax);
    if (!plan) return failed(plan.error());
    if (auto set = mock.set_plan(*plan); !set) return failed(set.error());
  }
  http::ServerOptions options;
  options.connections_max = 100'000;
  http::Server server(loop, mock, options);
  io::Network::ListenOptions listen_options;
  listen_options.shared_port = false;
  auto listener = loop.network().listen(*at, listen_options,
                                        [&](std::unique_ptr<io::Stream> s) { server.serve(std::move(s)); });
  if (!listener) return failed(listener.error());
  io::Address local = (*listener)->local();
  fmt::print("ready url={}\n",
             local.kind == io::Address::Kind::kUnix ? local.to_string() : "http://" + local.to_string());
  std::fflush(stdout);
  io::TaskGroup ending;
  struct End {
    static io::Task<void> run(http::Server& s, io::Loop& l) {
      s.close_all(io::CancelReason::kShutdown);
      co_await s.tasks().idle();
      l.stop();
    }
  };
  bool told = false;
  (*runtime)->on_signals([&](int) {
    if (told) return;
    told = true;
    (*listener).reset();
    ending.start(End::run(server, loop));
  });
  (*runtime)->run();
  return 0;
}

}  // namespace weir::app
