// The event framer against a second reader that works on the whole stream at once, and against itself on
// other splits: the same events with the same raw bytes, however the stream is cut; raws and the pending tail
// give the stream back.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/wire/sse.h"

namespace {

using weir::fuzz::check;
using weir::fuzz::Cuts;

constexpr size_t kEventBytesMax = 200;

// What came out, as text that two runs can be compared by.
struct Run {
  std::string raws, boundaries, meanings;
  size_t longest = 0;
  size_t pending = 0;
  bool overflow = false;

  bool operator==(const Run&) const = default;
  void clear() {
    raws.clear();
    boundaries.clear();
    meanings.clear();
    longest = pending = 0;
    overflow = false;
  }
};

void tell(std::string& out, std::string_view event, std::string_view data, bool has_data) {
  out.append(event).push_back('\n');  // neither holds a CR; the event holds no LF
  out.append(data).push_back('\r');
  out.push_back(has_data ? 'y' : 'n');
}

void run(std::string_view bytes, Cuts::Kind kind, size_t limit, Run& r) {
  static weir::fuzz::Cage cage;
  weir::wire::SseFramer framer(limit);
  Cuts cuts(kind, bytes);
  r.clear();
  while (!bytes.empty()) {
    size_t n = cuts.next(bytes.size());
    std::span<char> piece = cage.put(bytes.substr(0, n));
    framer.feed({piece.data(), piece.size()});
    while (auto e = framer.next()) {
      r.raws += e->raw;
      r.longest = std::max(r.longest, e->raw.size());
      size_t at = r.raws.size();
      r.boundaries.append(reinterpret_cast<const char*>(&at), sizeof at);
      tell(r.meanings, e->event, e->data, e->has_data);
    }
    bytes.remove_prefix(n);
  }
  r.pending = framer.pending_bytes();
  r.overflow = framer.overflow();
}

// The WHATWG algorithm on the whole stream: normalise the line ends, then go line by line. Answers the number
// of events; `last` is where the last one begins in `meanings`.
size_t read_whole(std::string_view s, std::string& meanings, size_t& last) {
  static std::string lines, event, data;
  if (s.starts_with("\xef\xbb\xbf")) s.remove_prefix(3);
  for (std::string* text : {&lines, &event, &data, &meanings})
    text->clear();
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n') continue;
    lines += s[i] == '\r' ? '\n' : s[i];
  }
  size_t events = 0;
  bool has_data = false;
  for (size_t at = 0, end; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
    std::string_view line = std::string_view(lines).substr(at, end - at);
    if (line.empty()) {
      if (has_data) data.pop_back();
      last = meanings.size();
      tell(meanings, event, data, has_data);
      ++events;
      event.clear();
      data.clear();
      has_data = false;
      continue;
    }
    size_t colon = std::min(line.find(':'), line.size());
    std::string_view name = line.substr(0, colon);
    std::string_view value = colon == line.size() ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
      data.append(value).push_back('\n');
      has_data = true;
    } else if (name == "event") {
      event = value;
    }
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Run first, second;
  static std::string expected;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);

  run(bytes, Cuts::Kind::kWhole, kEventBytesMax, first);
  check(first.longest <= kEventBytesMax);
  run(bytes, Cuts::Kind::kDrawn, kEventBytesMax, second);
  check(first == second);
  if (weir::fuzz::worth_byte_by_byte(bytes)) {
    run(bytes, Cuts::Kind::kBytes, kEventBytesMax, second);
    check(first == second);
  }

  // Without a bound that matters. A stream that met none reads the same as before.
  constexpr size_t kUnbounded = size_t{1} << 20;
  run(bytes, Cuts::Kind::kDrawn, kUnbounded, second);
  check(!second.overflow);
  if (first.overflow) {
    run(bytes, Cuts::Kind::kWhole, kUnbounded, first);
    check(first == second);
  } else {
    check(first == second);
  }
  std::string_view content = bytes.starts_with("\xef\xbb\xbf") ? bytes.substr(3) : bytes;
  check(first.raws.size() + first.pending == content.size() && content.starts_with(first.raws));

  size_t last = 0, events = read_whole(bytes, expected, last);
  // A CR that may still be half of a CRLF leaves the last event pending; the reader above cannot wait.
  if (bytes.ends_with('\r') && events == first.boundaries.size() / sizeof(size_t) + 1) expected.resize(last);
  check(expected == first.meanings);
  return 0;
}
