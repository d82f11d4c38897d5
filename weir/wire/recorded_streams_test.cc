// The streams of tests/golden as their model servers sent them (pairs of one dialect: relayed as they came):
// cut in two at every byte, and read byte by byte, they are the same frames and the same steps.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "weir/wire/testing.h"

namespace weir::wire {
namespace {

using exchange::Dialect;

// Behind each line "=== CASE, stream" of the file, the answer's body.
std::vector<std::string> recorded(std::string_view dialect) {
  std::filesystem::path folder = std::filesystem::path(__FILE__).parent_path() / "../../tests/golden";
  if (!std::filesystem::exists(folder)) folder = "tests/golden";
  std::ifstream in(folder / fmt::format("{}-to-{}.txt", dialect, dialect));
  std::vector<std::string> streams;
  bool stream = false, body = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("=== ")) {
      stream = line.ends_with(", stream");
      body = false;
    } else if (stream && line.starts_with("--- 200 ")) {
      body = true;
      streams.emplace_back();
    } else if (body) {
      streams.back() += line + "\n";
    }
  }
  for (std::string& text : streams)  // the file ends each with one line end
    if (dialect != "ollama") text += "\n";
  return streams;
}

std::string frames_of(const Wire& wire, std::string_view bytes, size_t piece_bytes, size_t first) {
  SseFramer sse;
  LineFramer lines;
  bool lined = wire.framing() == Framing::kNdjson;
  std::string out;
  auto take = [&](const StreamFrame& frame) { out += fmt::format("[{}|{}]", frame.raw, frame.data); };
  for (size_t n = first; !bytes.empty(); n = piece_bytes) {
    std::string piece(bytes.substr(0, n));  // of its own: nothing may look back into the one before
    lined ? lines.feed(piece) : sse.feed(piece);
    while (std::optional<StreamFrame> frame = lined ? lines.next() : sse.next())
      take(*frame);
    bytes.remove_prefix(piece.size());
  }
  if (lined)
    if (auto frame = lines.finish()) take(*frame);
  return out;
}

TEST(RecordedStreams, AreTheSameHoweverTheyAreCut) {
  for (Dialect dialect : {Dialect::kOpenAi, Dialect::kAnthropic, Dialect::kOllama}) {
    const Wire& wire = wire_of(dialect);
    std::vector<std::string> streams = recorded(exchange::name(dialect));
    ASSERT_EQ(streams.size(), 5u) << exchange::name(dialect);
    for (const std::string& bytes : streams) {
      std::string steps = steps_of(wire, bytes);  // cuts at every byte
      EXPECT_EQ(steps.find("DIFFERS"), std::string::npos) << steps;
      EXPECT_NE(steps.find(" open "), std::string::npos) << bytes;
      std::string frames = frames_of(wire, bytes, bytes.size(), bytes.size());
      EXPECT_EQ(frames_of(wire, bytes, 1, 1), frames);
      for (size_t cut = 1; cut < bytes.size(); ++cut)
        ASSERT_EQ(frames_of(wire, bytes, bytes.size(), cut), frames) << "cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace weir::wire
