// A model server's stream through each wire's reader and on through each wire's writer. Whatever the bytes
// are: the steps come in the order they promise, and the same however the stream is cut; a stream that was
// whole, and no other, has its end written; lines of JSON hold whole objects only. Byte 0 chooses the reader,
// byte 1 the writer.
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/base/json.h"
#include "weir/wire/step_order.h"
#include "weir/wire/testing.h"
#include "weir/wire/wire.h"

namespace {

using weir::exchange::Dialect;
using weir::fuzz::check;
using weir::fuzz::Cuts;
namespace wire = weir::wire;

constexpr Dialect kDialects[] = {Dialect::kOllama, Dialect::kGemini, Dialect::kOpenAi, Dialect::kResponses,
                                 Dialect::kAnthropic};

struct Run {
  std::string steps;
  std::string reason;  // of the error that ended it
  bool ended = false;

  bool operator==(const Run&) const = default;
};

Run run(const wire::Wire& from, std::string_view bytes, Cuts::Kind kind) {
  static weir::fuzz::Cage cage;
  auto reader = from.stream_reader();
  wire::SseFramer sse;
  wire::LineFramer lines;
  bool lined = from.framing() == wire::Framing::kNdjson;
  wire::StepLog log;
  wire::StepOrder order(&log);
  Run r;
  auto read = [&](const wire::StreamFrame& frame) {
    if (!frame.has_data || !r.reason.empty()) return;
    (void)from.read_event(frame, true);
    if (auto result = reader->read(frame, order); !result) r.reason = result.error().reason;
  };
  Cuts cuts(kind, bytes);
  while (!bytes.empty()) {
    size_t n = cuts.next(bytes.size());
    std::span<char> piece = cage.put(bytes.substr(0, n));
    std::string_view view(piece.data(), piece.size());
    lined ? lines.feed(view) : sse.feed(view);
    while (auto frame = lined ? lines.next() : sse.next())
      read(*frame);
    bytes.remove_prefix(n);
  }
  cage.clear();
  if (lined)
    if (auto frame = lines.finish()) read(*frame);
  if (r.reason.empty()) reader->finish(order);
  check(order.fault.empty());
  r.steps = log.text;
  r.ended = order.ended;
  return r;
}

// What an Ollama caller gets: lines, each an object, the last one done if the stream was whole.
void check_lines(std::string_view out, bool ended) {
  weir::json::Parser parser;
  bool done = false;
  while (!out.empty()) {
    size_t end = out.find('\n');
    check(end != std::string_view::npos && !done);
    weir::json::PaddedBuffer line(out.substr(0, end));
    auto document = parser.parse(line.view(), {.depth_max = 1024});
    check(document && document->type == weir::json::Type::kObject);
    const weir::json::Value* flag = document->find("done");
    done = flag && flag->raw == "true";
    out.remove_prefix(end + 1);
  }
  check(done == ended);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const wire::Wire& from = wire::wire_of(kDialects[data[0] % std::size(kDialects)]);
  const wire::Wire& to = wire::wire_of(kDialects[data[1] % std::size(kDialects)]);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

  Run whole = run(from, bytes, Cuts::Kind::kWhole);
  check(whole == run(from, bytes, Cuts::Kind::kDrawn));
  if (weir::fuzz::worth_byte_by_byte(bytes)) check(whole == run(from, bytes, Cuts::Kind::kBytes));

  if (!whole.reason.empty()) return 0;  // translated() puts the error's text behind the caller's stream
  std::string out = wire::translated(from, to, bytes, {.model = "m", .id = "req_1"});
  if (to.dialect() == Dialect::kOllama) check_lines(out, whole.ended);
  return 0;
}
