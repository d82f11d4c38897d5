// weir mock: a model server in four dialects (OpenAI with Responses, Anthropic, Ollama, Gemini) whose answers
// and failures are scripted, for tests, benches, demos and the simulator. The dialect is the path's; every
// byte of it is written by weir/wire, the same code that weir reads and writes callers with.
//
// What to do is a script, a JSON object whose members weir/app/mock/README.md lists. It comes from four
// places, each laid over the one before, member by member:
//   1. the process's default (--plan FILE, or POST /mock/default)
//   2. the request: its member "mock", which weir passes on byte for byte where both sides speak one dialect;
//      else, since a translation drops what it does not know, a text of the user that begins with the line
//      `mock: {...}`
//   3. the process's queue: one script for each of the next requests, whatever they say (--plan FILE, or
//      POST /mock/next)
// So one mock serves every scenario at once, an unmodified client can be answered with any fault, and of two
// mocks behind one gateway the first can fail while the second does not.
//
// GET /mock/stats: {"requests","open","left"}: requests seen, being answered, and whose client left before
// the end. GET /mock/requests: the last ones as they came. GET /mock/invoice: what was used, a line each:
// x-weir-request-id, model, "whole" or "cut" (its end was not handed over), input, cached and output tokens;
// what was said of one that was cut. Errors cost nothing and have no line.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "weir/app/mock/call.h"
#include "weir/http/server.h"

namespace weir::app {

/// Told what becomes of calls, on the mock's loop. `tag`: the script's; -1: it has none, and only on_call()
/// comes.
class MockWatcher {
 public:
  /// `request_id`: the caller's X-Weir-Request-Id. `goes_on`: it is shown an answer that was begun, as the
  /// last message or in front of the user's last.
  virtual void on_call(int64_t tag, std::string_view request_id, bool goes_on) = 0;
  /// So many words were handed to the connection.
  virtual void on_words(int64_t tag, int64_t words) = 0;
  virtual void on_call_end(int64_t tag, io::CancelReason reason) = 0;

 protected:
  ~MockWatcher() = default;
};

class MockServer final : public http::Handler {
 public:
  explicit MockServer(io::Loop& loop, MockWatcher* watcher = nullptr) : loop_(loop), watcher_(watcher) {}
  io::Task<void> serve(http::Request& request, http::ResponseWriter& response) override;
  std::string error_body(const Error& error) override;

  /// {"default":{...},"next":[{...},...],"get":{...}}: each member replaces what was there. `get` is the
  /// script of every GET but those of /mock/ (its status, delay_ms and the faults hang and reset). Errors:
  /// kInvalidRequest.
  Result<void> set_plan(std::string_view plan);

 private:
  class Outgoing;
  struct Seen {
    std::string method, path, body;
  };
  struct InvoiceLine {
    std::string id, model;
    bool whole = false;
    int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0;
  };
  io::Task<void> answer(http::Request& request, http::ResponseWriter& response, int64_t& tag);
  io::Task<void> administer(http::Request& request, http::ResponseWriter& response);
  io::Task<void> list(http::Request& request, http::ResponseWriter& response);
  io::Task<void> stream(MockCall& call, http::Request& request, http::ResponseWriter& response,
                        InvoiceLine& line);
  io::Task<void> whole(MockCall& call, http::Request& request, http::ResponseWriter& response,
                       InvoiceLine& line);
  static void use(InvoiceLine& line, const exchange::Usage& usage);
  std::string invoice() const;
  io::Task<void> send(http::ResponseWriter& response, int status, std::string_view body);
  io::Task<bool> pause(Duration after, io::Cancel& cancel);
  Result<void> take_plan(std::string_view verb, std::string_view body);
  Result<void> queue(const json::Value& script);
  void note(const http::RequestHead& head, std::string_view body);
  std::string seen_body() const;

  io::Loop& loop_;
  MockWatcher* watcher_;
  json::Parser parser_;
  std::string default_, get_;
  std::deque<std::string> next_;
  std::deque<Seen> seen_;
  std::vector<InvoiceLine> invoice_;
  uint64_t requests_ = 0;
  uint64_t open_ = 0;
  uint64_t left_ = 0;
};

struct MockCommand {
  std::string listen = "127.0.0.1:0";
  std::string plan;  // file; empty: none
};
/// Runs `weir mock`: prints "ready url=..." and serves until SIGTERM. Blocks; the process's exit code.
int run_mock(const MockCommand& command);

}  // namespace weir::app
