// Local models with real processes: this very program, started again as a small model server (FakeModel at
// the end), told by its environment how to behave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "weir/http/testing.h"
#include "weir/upstream/provider/local/local_provider.h"
#include "weir/upstream/provider/local/supervisor.h"
#include "weir/wire/openai/openai.h"

namespace weir::upstream {
namespace {

using http::testing::Guard;
using io::Task;
using io::net::TestLoop;
using ::testing::HasSubstr;

struct Scene {
  Scene(TestLoop& t, std::string does) : loop(t.loop()), guard(loop) {
    directory = *loop.disk().make_temporary_directory("weir-test-");
    model = std::make_shared<LocalModel>("fake", directory + "/model.sock");
    options.process.program = loop.processes().self();
    options.process.arguments = {"--gtest_filter=FakeModel.*", "--gtest_also_run_disabled_tests"};
    options.process.environment = {"WEIR_FAKE_SOCKET=" + model->socket_path, "WEIR_FAKE_DOES=" + does,
                                   "GTEST_COLOR=no"};
    options.backoff_min = options.backoff_max = milliseconds(10);
  }
  void start() {
    supervisor = std::make_unique<Supervisor>(loop, model, options, [this](std::string_view line) {
      log.emplace_back(line);
      logged.notify();
    });
    supervisor->start();
  }
  /// The first line from `from` on that holds `text`.
  Task<std::string> line(std::string text, size_t from = 0) {
    for (size_t i = from;; ++i) {
      while (i >= log.size())
        if (!co_await logged.wait(guard.scope())) co_return "";
      if (log[i].find(text) != std::string::npos) co_return log[i];
    }
  }
  Task<void> end() {
    co_await supervisor->stop();
    loop.disk().remove(directory);
  }
  static int pid_in(const std::string& text) {
    size_t at = text.find("(pid ");
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 5);
  }

  io::Loop& loop;
  Guard guard;
  std::string directory;
  std::shared_ptr<LocalModel> model;
  SupervisorOptions options;
  std::vector<std::string> log;
  io::Event logged;
  std::unique_ptr<Supervisor> supervisor;
};

void run(std::string does, Task<void> (*play)(Scene&)) {
  TestLoop t;
  t.run([](TestLoop& loop, std::string what, Task<void> (*act)(Scene&)) -> Task<void> {
    Scene s(loop, what);
    co_await act(s);
    co_await s.end();
  }(t, std::move(does), play));
}

TEST(Supervisor, IsReadyWhenItsChildIs) {
  run("serve", [](Scene& s) -> Task<void> {
    EXPECT_EQ(s.model->state(), LocalModel::State::kStarting);
    s.start();
    std::string ready = co_await s.line("ready after");
    EXPECT_EQ(s.model->state(), LocalModel::State::kReady);
    int pid = Scene::pid_in(ready);
    EXPECT_GT(pid, 0);
    EXPECT_EQ(::kill(pid, 0), 0);
    co_await s.supervisor->stop();
    EXPECT_EQ(s.model->state(), LocalModel::State::kDown);
    EXPECT_NE(::kill(pid, 0), 0);  // reaped, too
    EXPECT_FALSE(s.loop.disk().stat(s.model->socket_path));
  });
}

TEST(Supervisor, StartsAKilledChildAgain) {
  run("serve", [](Scene& s) -> Task<void> {
    s.start();
    int first = Scene::pid_in(co_await s.line("ready after"));
    size_t seen = s.log.size();
    ::kill(first, SIGKILL);
    EXPECT_THAT(co_await s.line("starting it again", seen), HasSubstr("hello from the child"));
    EXPECT_EQ(s.model->state(), LocalModel::State::kDown);
    EXPECT_THAT(s.model->trouble(), HasSubstr("9"));
    EXPECT_EQ(s.model->restarts(), 1);
    int second = Scene::pid_in(co_await s.line("ready after", seen));
    EXPECT_NE(first, second);
    EXPECT_EQ(s.model->state(), LocalModel::State::kReady);
  });
}

TEST(Supervisor, KeepsTheLastWordsOfAChildThatCanNotStart) {
  run("die", [](Scene& s) -> Task<void> {
    s.start();
    std::string line = co_await s.line("starting it again");
    EXPECT_THAT(line, HasSubstr("3"));
    EXPECT_THAT(line, HasSubstr("no such model file"));
    co_await s.line("starting it again", s.log.size());
    EXPECT_GE(s.model->restarts(), 2);
  });
}

TEST(Supervisor, EndsAChildThatIsNeverReady) {
  run("deaf", [](Scene& s) -> Task<void> {
    s.options.start_timeout = milliseconds(1);
    s.start();
    EXPECT_THAT(co_await s.line("starting it again"), HasSubstr("was not ready after"));
    EXPECT_GE(s.model->restarts(), 1);
  });
}

TEST(Supervisor, AProgramThatIsNotThereIsTrouble) {
  run("serve", [](Scene& s) -> Task<void> {
    s.options.process.program = "/nonexistent/llama-server";
    s.start();
    EXPECT_THAT(co_await s.line("starting it again"), HasSubstr("/nonexistent/llama-server"));
    EXPECT_EQ(s.model->state(), LocalModel::State::kDown);
  });
}

TEST(Supervisor, StopsWhileItsChildStarts) {
  run("deaf", [](Scene& s) -> Task<void> {
    s.start();
    co_await io::net::turns(s.loop, 3);
    co_await s.supervisor->stop();
    EXPECT_EQ(s.model->trouble(), "stopped");
  });
}

// ------------------------------------------------------------------------------------ the provider

struct NoSource final : exchange::RequestSource {
  Task<Result<void>> receive(exchange::Exchange&) override { co_return Result<void>{}; }
};
struct NoStream final : exchange::AnswerStream {
  void begin(int, std::string_view, const OwnedHeaders&) override {}
  void event(exchange::StreamEvent) override {}
  Task<bool> flush() override { co_return true; }
};

Task<Result<void>> call(Scene& s, LocalProvider& provider, std::string_view model, std::string& answer) {
  io::Cancel cancel;
  NoSource source;
  NoStream stream;
  json::Parser parser;
  exchange::Exchange e(s.loop, cancel, exchange::Operation::kChat, source);
  e.request.body = json::PaddedBuffer(R"({"model":"x","messages":[1]})");
  CO_TRY_VOID(wire::openai::read_request(e.operation, parser, e.request));
  exchange::Target target{"local", model, {}};
  Delivery delivery(e, stream, false);
  Breaker::Call call;
  CO_TRY_VOID(co_await provider.call({e, target, Ask::kPlain, delivery, call}, cancel));
  answer = e.answer->body;
  co_return Result<void>{};
}

TEST(LocalProvider, AnswersThroughItsChild) {
  run("serve", [](Scene& s) -> Task<void> {
    json::Parser parser;
    LocalProvider provider("local", s.loop, parser, {s.model});
    std::string answer;
    EXPECT_EQ(provider.not_ready(), "local model fake is loading");
    auto loading = co_await call(s, provider, "fake", answer);
    EXPECT_TRUE(!loading && loading.error().code == ErrorCode::kUnavailable);
    EXPECT_TRUE(!loading && loading.error().reason == "model_loading" && loading.error().retry_after_s > 0);
    auto unknown = co_await call(s, provider, "other", answer);
    EXPECT_TRUE(!unknown && unknown.error().code == ErrorCode::kInternal);

    s.start();
    int pid = Scene::pid_in(co_await s.line("ready after"));
    EXPECT_EQ(provider.not_ready(), "");
    EXPECT_TRUE(co_await call(s, provider, "fake", answer));
    EXPECT_EQ(answer, R"({"from":"fake"})");

    size_t seen = s.log.size();
    ::kill(pid, SIGKILL);
    co_await s.line("starting it again", seen);
    EXPECT_EQ(provider.not_ready(), "local model fake is down");
    auto down = co_await call(s, provider, "fake", answer);
    EXPECT_TRUE(!down && down.error().reason == "model_down" && down.error().retryable);
    EXPECT_TRUE(!down &&
                down.error().safe.find("hello") == std::string::npos);  // its words are the operator's
    co_await s.line("ready after", seen);
    EXPECT_TRUE(co_await call(s, provider, "fake", answer));  // the old connections are not used again
    provider.retire();
  });
}

// -------------------------------------------------------------------------------------- the child

Task<void> health(http::ResponseWriter& response, bool ok) {
  co_await response.send(ok ? 200 : 503, {}, "{}");
}
Task<void> chat(http::Request& request, http::ResponseWriter& response) {
  auto body = co_await request.read_body(1 << 20);
  if (body) co_await response.send(200, {}, R"({"from":"fake"})");
}

Task<void> serve_for_ever(io::Loop& loop, std::string socket, bool ok) {
  http::testing::TestServer server(loop,
                                   [ok](http::Request& q, http::ResponseWriter& r) {
                                     return q.head.path == "/health" ? health(r, ok) : chat(q, r);
                                   },
                                   {}, {io::Address::Kind::kUnix, socket, 0});
  io::Cancel never;
  io::Event end;
  co_await end.wait(never);
}

// Not a test: what Scene starts.
TEST(FakeModel, DISABLED_Serves) {
  const char* socket = std::getenv("WEIR_FAKE_SOCKET");
  if (!socket) GTEST_SKIP() << "only for the tests above";
  std::string does = std::getenv("WEIR_FAKE_DOES");
  if (does == "die") {
    std::fprintf(stderr, "no such model file\n");
    _exit(3);
  }
  std::fprintf(stderr, "hello from the child\n");
  TestLoop t;
  t.run(serve_for_ever(t.loop(), socket, does == "serve"));
}

}  // namespace
}  // namespace weir::upstream
