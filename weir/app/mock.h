// weir mock: a model server of the OpenAI kind whose answers and failures are scripted, for tests, benches
// and demos. What to do stands in the request body's "mock" object (weir passes unknown members on byte for
// byte), so one mock serves every scenario at once:
//   {"frames":N, "frame_delay_ms":M, "delay_ms":M (before the head), "first_frame_delay_ms":M,
//   "text_bytes":N,
//    "status":S, "headers":{...}, "fault":F, "after":N, "usage":"final"|"with_finish"|"none", "done":true}
// faults: hang (no head, ever), hang_after_head, hang_mid (after N frames), cut (close after N frames),
// cut_body (half a whole answer), html (200 with a page), garbage (not HTTP), malformed (a frame that is not
// JSON), error_event (after N frames), no_done (no [DONE]), no_finish (ends without finish_reason and
// [DONE]). GET /mock/stats: {"requests","open","left"}: requests seen, being answered, and whose client left
// before the end.
#pragma once

#include <string>

#include "weir/base/json.h"
#include "weir/http/server.h"

namespace weir::app {

class MockServer final : public http::Handler {
 public:
  explicit MockServer(io::Loop& loop) : loop_(loop) {}
  io::Task<void> serve(http::Request& request, http::ResponseWriter& response) override;
  std::string error_body(const Error& error) override;

 private:
  struct Script;
  io::Task<void> answer(http::Request& request, http::ResponseWriter& response);
  io::Task<void> stream(const Script& script, http::Request& request, http::ResponseWriter& response);
  io::Task<void> whole(const Script& script, http::Request& request, http::ResponseWriter& response);
  io::Task<bool> pause(Duration after, io::Cancel& cancel);

  io::Loop& loop_;
  json::Parser parser_;
  uint64_t requests_ = 0;
  uint64_t open_ = 0;
  uint64_t left_ = 0;
};

/// Runs `weir mock`: prints "ready url=..." and serves until SIGTERM. Blocks; the process's exit code.
int run_mock(const std::string& listen);

}  // namespace weir::app
