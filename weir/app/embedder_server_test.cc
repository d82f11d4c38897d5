#include "weir/app/embedder_server.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "weir/app/embedder.h"
#include "weir/io/net/test_loop.h"

namespace weir::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// ---- reading the request

EmbeddingModel model_three() {
  return {.name = "m", .dimensions = 3, .embed = {}};
}

Result<EmbeddingRequest> read(std::string_view body) {
  json::PaddedBuffer bytes(body);
  json::Parser parser;
  auto document = parser.parse(bytes.view());
  EXPECT_TRUE(document) << body;
  return read_embedding_request(*document, model_three(), 4);
}

TEST(EmbeddingRequest, TakesTheFourShapesOfInput) {
  auto text = read(R"({"model":"m","input":"a\u00e9"})");
  ASSERT_TRUE(text);
  EXPECT_THAT(text->inputs, ElementsAre(EmbeddingInput("aé")));
  EXPECT_FALSE(text->is_list);
  auto texts =
      read(R"({"model":"m","input":["a","b"],"encoding_format":"base64","dimensions":3,"user":"u"})");
  ASSERT_TRUE(texts);
  EXPECT_THAT(texts->inputs, ElementsAre(EmbeddingInput("a"), EmbeddingInput("b")));
  EXPECT_TRUE(texts->base64);
  EXPECT_TRUE(texts->is_list);
  using Ids = std::vector<embed::TokenId>;
  auto ids = read(R"({"model":"m","input":[1,2],"encoding_format":null,"dimensions":null,"user":null})");
  ASSERT_TRUE(ids);
  EXPECT_THAT(ids->inputs, ElementsAre(EmbeddingInput(Ids{1, 2})));
  auto lists = read(R"({"model":"m","input":[[1],[2,3],"c"]})");
  ASSERT_TRUE(lists);
  EXPECT_THAT(lists->inputs,
              ElementsAre(EmbeddingInput(Ids{1}), EmbeddingInput(Ids{2, 3}), EmbeddingInput("c")));
}

TEST(EmbeddingRequest, RefusesTheRestNamingTheParameter) {
  struct Case {
    std::string_view body, param;
  };
  for (const Case& c : std::to_array<Case>({
           {"[]", ""},
           {R"({"input":"a"})", "model"},
           {R"({"model":5,"input":"a"})", "model"},
           {R"({"model":"m"})", "input"},
           {R"({"model":"m","input":null})", "input"},
           {R"({"model":"m","input":""})", "input"},
           {R"({"model":"m","input":[]})", "input"},
           {R"({"model":"m","input":{}})", "input"},
           {R"({"model":"m","input":7})", "input"},
           {R"({"model":"m","input":[1,"a"]})", "input"},
           {R"({"model":"m","input":[1.5]})", "input"},
           {R"({"model":"m","input":["a",1]})", "input[1]"},
           {R"({"model":"m","input":["a",""]})", "input[1]"},
           {R"({"model":"m","input":["a","b",[]]})", "input[2]"},
           {R"({"model":"m","input":[[1],[true]]})", "input[1]"},
           {R"({"model":"m","input":["a","b","c","d","e"]})", "input"},
           {R"({"model":"m","input":"a","encoding_format":"int8"})", "encoding_format"},
           {R"({"model":"m","input":"a","encoding_format":1})", "encoding_format"},
           {R"({"model":"m","input":"a","dimensions":2})", "dimensions"},
           {R"({"model":"m","input":"a","dimensions":"3"})", "dimensions"},
           {R"({"model":"m","input":"a","user":{}})", "user"},
       })) {
    auto refused = read(c.body);
    ASSERT_FALSE(refused) << c.body;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidRequest) << c.body;
    EXPECT_EQ(refused.error().param, c.param) << c.body;
    EXPECT_FALSE(refused.error().safe.empty()) << c.body;
  }
  EXPECT_EQ(read(R"({"model":"other","input":"a"})").error().code, ErrorCode::kNotFound);
}

// ---- serving, over a real socket

/// Does this hold a head and as many body bytes as it announces?
bool complete(const std::string& answer) {
  static constexpr std::string_view kLength = "content-length: ";
  size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  auto same = [](char a, char b) { return iequals({&a, 1}, {&b, 1}); };
  auto at = std::ranges::search(std::string_view(answer).substr(0, end), kLength, same).end();
  return answer.size() >= end + 4 + std::strtoul(&*at, nullptr, 10);
}

/// A server on a Unix socket, and the loop that the test's coroutine runs on.
class Serving {
 public:
  using Embed = std::function<Result<embed::Embedding>(const EmbeddingInput&)>;
  explicit Serving(Embed embed, EmbedderServerOptions options = {})
      : at_{.kind = io::Address::Kind::kUnix, .host = socket_path()},
        handler_(loop(), {.name = "m", .dimensions = 3, .embed = std::move(embed)}, options),
        server_(loop(), handler_, {}) {
    std::filesystem::remove(at_.host);
    auto opened = test_.network().listen(
        at_, {}, [this](std::unique_ptr<io::Stream> s) { server_.serve(std::move(s)); });
    EXPECT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
  }

  io::Loop& loop() { return test_.loop(); }
  http::Server& server() { return server_; }
  const io::Address& address() const { return at_; }
  void run(io::Task<void> task) { test_.run(then_close(*this, std::move(task))); }

  /// Sends one request on a connection of its own; the whole answer, head and body.
  io::Task<std::string> ask(std::string request) {
    io::Cancel never;
    auto stream = co_await loop().network().connect(at_, {}, never);
    EXPECT_TRUE(stream);
    std::array<std::string_view, 1> pieces = {request};
    co_await io::write(**stream, pieces, never);
    std::string answer;
    std::array<char, 4096> buffer;
    while (!complete(answer)) {
      auto got = co_await io::read(**stream, buffer, never);
      if (got.bytes == 0) break;
      answer.append(buffer.data(), got.bytes);
    }
    co_return answer;
  }
  io::Task<void> ask_into(std::string request, std::string& answer) {
    answer = co_await ask(std::move(request));
  }

 private:
  static std::string socket_path() {
    static std::atomic<int> count = 0;
    return ::testing::TempDir() + "weir-embedder-" + std::to_string(::getpid()) + "-" +
           std::to_string(count++) + ".sock";
  }
  static io::Task<void> then_close(Serving& self, io::Task<void> task) {
    co_await task;
    self.listener_.reset();
    self.server_.close_all(io::CancelReason::kShutdown);
    co_await self.server_.tasks().idle();
  }

  io::net::TestLoop test_;
  io::Address at_;
  EmbedderServer handler_;
  http::Server server_;
  std::unique_ptr<io::Listener> listener_;
};

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}
std::string post(std::string_view body, std::string_view path = "/v1/embeddings") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}
std::string body_of(const std::string& answer) {
  size_t at = answer.find("\r\n\r\n");
  return at == std::string::npos ? "" : answer.substr(at + 4);
}

/// [length, 0.5, -2], one token a byte; "bad..." is refused as a text that is too long would be.
Result<embed::Embedding> by_length(const EmbeddingInput& input) {
  const auto* text = std::get_if<std::string>(&input);
  size_t size = text ? text->size() : std::get<std::vector<embed::TokenId>>(input).size();
  if (text && text->starts_with("bad"))
    return fail(ErrorCode::kInvalidRequest, text->substr(3), "input", "context_length_exceeded");
  if (text && *text == "broken") return fail_internal(ErrorCode::kInternal, "the model is broken");
  return embed::Embedding{{static_cast<float>(size), 0.5F, -2.0F}, static_cast<int>(size)};
}

io::Task<void> answers_in_order(Serving& s) {
  std::string answer = co_await s.ask(post(R"({"model":"m","input":["a","bb","ccc",[7,8,9,10]]})"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("content-type: application/json"));
  EXPECT_EQ(body_of(answer),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0.5,-2]},)"
            R"({"object":"embedding","index":1,"embedding":[2,0.5,-2]},)"
            R"({"object":"embedding","index":2,"embedding":[3,0.5,-2]},)"
            R"({"object":"embedding","index":3,"embedding":[4,0.5,-2]}],)"
            R"("model":"m","usage":{"prompt_tokens":10,"total_tokens":10}})");
}
TEST(EmbedderServer, AnswersInOrderWithUsage) {
  for (int workers : {1, 3, 8}) {
    Serving serving(by_length, {.workers = workers});
    serving.run(answers_in_order(serving));
  }
}

io::Task<void> answers_base64(Serving& s) {
  std::string answer = co_await s.ask(post(R"({"model":"m","input":"a","encoding_format":"base64"})"));
  EXPECT_THAT(answer, HasSubstr(R"("embedding":"AACAPwAAAD8AAADA")"));  // 1.0, 0.5, -2.0
}
TEST(EmbedderServer, WritesLittleEndianFloatsInBase64) {
  Serving serving(by_length);
  serving.run(answers_base64(serving));
}

io::Task<void> names_the_bad_input(Serving& s) {
  std::string answer = co_await s.ask(post(R"({"model":"m","input":["a","bad1","bad2","d"]})"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(
      body_of(answer),
      R"({"error":{"message":"1","type":"invalid_request_error","param":"input[1]","code":"context_length_exceeded"}})");
  answer = co_await s.ask(post(R"({"model":"m","input":"bad3"})"));
  EXPECT_THAT(body_of(answer), HasSubstr(R"("param":"input",)"));
  answer = co_await s.ask(post(R"({"model":"m","input":"broken"})"));
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 500"), ::testing::Not(HasSubstr("broken"))));
  answer = co_await s.ask(post(R"({"model":"m","input":"good"})"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}
TEST(EmbedderServer, NamesTheBadInputAndGoesOn) {
  Serving serving(by_length, {.workers = 4});
  ::testing::internal::CaptureStderr();
  serving.run(names_the_bad_input(serving));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("the model is broken"));
}

io::Task<void> knows_its_paths(Serving& s) {
  EXPECT_THAT(co_await s.ask(get("/health")),
              AllOf(StartsWith("HTTP/1.1 200"), EndsWith(R"({"status":"ok"})")));
  EXPECT_THAT(co_await s.ask(get("/v1/models")), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr(R"("id":"m")")));
  EXPECT_THAT(co_await s.ask(get("/nothing")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(co_await s.ask(get("/v1/embeddings")),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("allow: POST")));
  EXPECT_THAT(co_await s.ask(post("{}", "/health")),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("allow: GET")));
  EXPECT_THAT(co_await s.ask(post("{")), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("invalid_json")));
  EXPECT_THAT(co_await s.ask(post(std::string(200, ' '))), StartsWith("HTTP/1.1 413"));
}
TEST(EmbedderServer, KnowsItsPathsAndLimits) {
  Serving serving(by_length, {.body_bytes_max = 100});
  serving.run(knows_its_paths(serving));
}

/// An embed function that reports its first call to the loop and then waits until it is let go.
struct Gate {
  Serving* serving = nullptr;
  io::Event entered;
  std::promise<void> opener;
  std::shared_future<void> opened = opener.get_future().share();
  std::atomic<int> calls = 0;

  Serving::Embed embed() {
    return [this](const EmbeddingInput& input) {
      if (++calls == 1) serving->loop().post([this] { entered.notify(); });
      opened.wait();
      return by_length(input);
    };
  }
};

io::Task<void> refuses_when_full(Serving& s, Gate& gate) {
  io::Cancel never;
  io::TaskGroup first;
  std::string answer;
  first.start(s.ask_into(post(R"({"model":"m","input":["a","bb"]})"), answer));
  co_await gate.entered.wait(never);
  EXPECT_THAT(co_await s.ask(post(R"({"model":"m","input":"c"})")),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("retry-after: 1"), HasSubstr("overloaded")));
  EXPECT_THAT(co_await s.ask(get("/health")), StartsWith("HTTP/1.1 200"));  // the loop is free all the while
  gate.opener.set_value();
  co_await first.idle();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(co_await s.ask(post(R"({"model":"m","input":["c","d"]})")), StartsWith("HTTP/1.1 200"));
}
TEST(EmbedderServer, BoundsWhatWaitsAndNeverBlocksItsLoop) {
  Gate gate;
  Serving serving(gate.embed(), {.inputs_waiting_max = 2});
  gate.serving = &serving;
  serving.run(refuses_when_full(serving, gate));
}

io::Task<void> client_leaves(Serving& s, Gate& gate) {
  io::Cancel never;
  {
    auto stream = co_await s.loop().network().connect(s.address(), {}, never);
    std::string request = post(R"({"model":"m","input":["a","b","c","d"]})");
    std::array<std::string_view, 1> pieces = {request};
    co_await io::write(**stream, pieces, never);
    co_await gate.entered.wait(never);
  }
  // A second client's round trip: by its end the server's loop has seen the first one's close.
  EXPECT_THAT(co_await s.ask(get("/health")), StartsWith("HTTP/1.1 200"));
  gate.opener.set_value();
  co_await s.server().tasks().idle();
}
TEST(EmbedderServer, StopsAtTheNextTextWhenTheClientLeft) {
  Gate gate;
  Serving serving(gate.embed());
  gate.serving = &serving;
  serving.run(client_leaves(serving, gate));
  EXPECT_EQ(gate.calls, 1);
}

// ---- the process

TEST(RunEmbedder, SaysWhichFileIsAtFault) {
  auto trouble = [](const EmbedderCommand& command) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(run_embedder(command), 1);
    return ::testing::internal::GetCapturedStderr();
  };
  std::string mini =
      std::filesystem::path(__FILE__).parent_path().parent_path() / "embed/testdata/mini_tokenizer.json";
  EmbedderCommand command{.socket = ::testing::TempDir() + "never.sock",
                          .library = "/nowhere/onnx.so",
                          .model = "m.onnx",
                          .tokenizer = mini};
  EXPECT_THAT(trouble(command), HasSubstr("/nowhere/onnx.so"));
  command.tokenizer = "/nowhere/tokenizer.json";
  EXPECT_THAT(trouble(command), HasSubstr("/nowhere/tokenizer.json"));
  command.tokenizer = __FILE__;
  EXPECT_THAT(trouble(command), HasSubstr(__FILE__));
  command.pooling = "max";
  EXPECT_THAT(trouble(command), HasSubstr("pooling"));
}

}  // namespace
}  // namespace weir::app
