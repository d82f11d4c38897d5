// Replies of a Redis: one verdict and one value for every split; a reader that waits takes nothing; what is
// accepted, written again as the commands are, reads back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/pieces.h"
#include "weir/store/redis/resp.h"

namespace {

using weir::fuzz::check;
using weir::store::redis::append_command;
using weir::store::redis::Reply;
using weir::store::redis::take_reply;

struct Run {
  std::vector<Reply> replies;
  bool broken = false;
  bool operator==(const Run&) const = default;
};

// As the client reads: appends `step` bytes, takes what is whole.
Run read(std::string_view all, size_t step) {
  Run run;
  std::string got;
  while (!all.empty() && !run.broken) {
    got += all.substr(0, step);
    all.remove_prefix(std::min(step, all.size()));
    std::string_view rest = got;
    for (;;) {
      std::string_view before = rest;
      auto reply = take_reply(rest);
      if (!reply) run.broken = true;
      if (!reply || !*reply) {
        check(rest == before);
        break;
      }
      check(rest.size() < before.size());
      run.replies.push_back(**reply);
    }
    got.erase(0, got.size() - rest.size());
  }
  return run;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view all(reinterpret_cast<const char*>(data), size);
  Run whole = read(all, size + 1);
  Run bytes = read(all, 1), pieces = read(all, 7);
  check(whole == bytes && whole == pieces);
  for (const Reply& reply : whole.replies) {
    if (reply.kind != Reply::Kind::kText) continue;
    std::string text;
    const std::string_view words[] = {reply.text, "x"};
    append_command(text, words);
    std::string_view rest = text;
    auto again = take_reply(rest);
    check(again && *again && rest.empty() && (*again)->list.size() == 2 &&
          (*again)->list[0].text == reply.text);
  }
  return 0;
}
