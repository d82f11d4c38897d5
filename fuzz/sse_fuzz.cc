// The event framer against a second reader that works on the whole stream at once, and against itself on
// other splits: the same events with the same raw bytes, however the stream is cut; raws and the pending tail
// give the stream back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "weir/wire/sse.h"

namespace {

void check(bool ok) {
  if (!ok) std::abort();
}

constexpr size_t kEventBytesMax = 200;

struct Event {
  std::string raw, event, data;
  bool has_data = false;

  bool operator==(const Event&) const = default;
};

struct Run {
  std::vector<Event> events;
  size_t pending = 0;
  bool overflow = false;

  bool operator==(const Run&) const = default;
};

// `seed` 0: one piece; 1: single bytes; else random pieces. Each piece is a block of memory of its own.
Run run(std::string_view bytes, uint32_t seed, size_t limit) {
  weir::wire::SseFramer framer(limit);
  Run r;
  while (!bytes.empty()) {
    size_t n = bytes.size();
    if (seed == 1) n = 1;
    if (seed > 1) {
      seed = (seed * 1664525u + 1013904223u) | 2;
      n = std::min<size_t>(n, 1 + (seed >> 27));
    }
    std::vector<char> piece(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    framer.feed({piece.data(), piece.size()});
    while (auto e = framer.next())
      r.events.push_back({std::string(e->raw), std::string(e->event), std::string(e->data), e->has_data});
    bytes.remove_prefix(n);
  }
  r.pending = framer.pending_bytes();
  r.overflow = framer.overflow();
  return r;
}

// The WHATWG algorithm on the whole stream: normalise the line ends, then go line by line.
std::vector<Event> read_whole(std::string_view s) {
  if (s.starts_with("\xef\xbb\xbf")) s.remove_prefix(3);
  std::string lines;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n') continue;
    lines += s[i] == '\r' ? '\n' : s[i];
  }
  std::vector<Event> events;
  Event e;
  for (size_t at = 0, end; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
    std::string line = lines.substr(at, end - at);
    if (line.empty()) {
      if (e.has_data) e.data.pop_back();
      events.push_back(e);
      e = {};
      continue;
    }
    size_t colon = std::min(line.find(':'), line.size());
    std::string name = line.substr(0, colon);
    std::string value = colon == line.size() ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.erase(0, 1);
    if (name == "data") {
      e.data += value + '\n';
      e.has_data = true;
    } else if (name == "event") {
      e.event = value;
    }
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  uint32_t seed = static_cast<uint32_t>(data[0]) << 8 | data[1] | 2;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

  Run bounded = run(bytes, 0, kEventBytesMax);
  check(bounded == run(bytes, seed, kEventBytesMax));
  check(bounded == run(bytes, 1, kEventBytesMax));
  for (const Event& e : bounded.events)
    check(e.raw.size() <= kEventBytesMax);

  Run whole = run(bytes, 0, size_t{1} << 20);
  check(whole == run(bytes, seed, size_t{1} << 20));
  check(!whole.overflow);
  std::string raws;
  for (const Event& e : whole.events)
    raws += e.raw;
  std::string_view content = bytes.starts_with("\xef\xbb\xbf") ? bytes.substr(3) : bytes;
  check(raws.size() + whole.pending == content.size() && content.starts_with(raws));

  std::vector<Event> expected = read_whole(bytes);
  // A CR that may still be half of a CRLF leaves the last event pending; the reader above cannot wait.
  if (bytes.ends_with('\r') && expected.size() == whole.events.size() + 1) expected.pop_back();
  check(expected.size() == whole.events.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const Event& e = whole.events[i];
    check(e.event == expected[i].event && e.data == expected[i].data && e.has_data == expected[i].has_data);
  }
  return 0;
}
