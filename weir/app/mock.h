// weir mock: a model server of the OpenAI kind whose answers and failures are scripted, for tests, benches,
// demos and the simulator. What to do stands in the request body's "mock" object (weir passes unknown members
// on byte for byte), so one mock serves every scenario at once:
//   {"frames":N, "frame_delay_ms":M, "delay_ms":M (before the head), "first_frame_delay_ms":M,
//   "text_bytes":N, "text_seed":S (N numbered words that follow from S alone, mock_word(), instead of one
//   word again and again; also in a whole answer, whose output tokens are then N), "tag":T (for a
//   MockWatcher),
//    "status":S, "headers":{...}, "fault":F, "after":N, "usage":"final"|"with_finish"|"none", "done":true}
// faults: hang (no head, ever), hang_after_head, hang_mid (after N frames), cut (close after N frames),
// cut_body (half a whole answer), html (200 with a page), malformed (a frame that is not JSON), error_event
// (after N frames), no_done (no [DONE]), no_finish (ends without finish_reason and [DONE]). GET /mock/stats:
// {"requests","open","left"}: requests seen, being answered, and whose client left before the end.
#pragma once

#include <string>

#include "weir/base/json.h"
#include "weir/http/server.h"

namespace weir::app {

/// Word `index` of the text `seed`: " index-hash", filled up with x to `bytes`. Whoever knows the request
/// knows the answer, whatever way it took.
std::string mock_word(int64_t seed, int64_t index, int64_t bytes);

/// Told what becomes of calls, on the mock's loop. `tag`: the script's; -1: it has none, and only on_call()
/// comes.
class MockWatcher {
 public:
  /// `request_id`: the caller's X-Weir-Request-Id.
  virtual void on_call(int64_t tag, std::string_view request_id) = 0;
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

 private:
  struct Script;
  io::Task<void> answer(http::Request& request, http::ResponseWriter& response, int64_t& tag);
  io::Task<void> stream(const Script& script, http::Request& request, http::ResponseWriter& response);
  io::Task<void> whole(const Script& script, http::Request& request, http::ResponseWriter& response);
  io::Task<bool> pause(Duration after, io::Cancel& cancel);

  io::Loop& loop_;
  MockWatcher* watcher_;
  json::Parser parser_;
  uint64_t requests_ = 0;
  uint64_t open_ = 0;
  uint64_t left_ = 0;
};

/// Runs `weir mock`: prints "ready url=..." and serves until SIGTERM. Blocks; the process's exit code.
int run_mock(const std::string& listen);

}  // namespace weir::app
