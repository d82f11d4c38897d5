#include "weir/app/sim/ask.h"

#include <fmt/format.h>

#include <array>

namespace weir::app::sim {

std::string_view Ask::path() const {
  switch (kind) {
    case Kind::kChat:
      return "/v1/chat/completions";
    case Kind::kCompletion:
      return "/v1/completions";
    case Kind::kEmbedding:
      return "/v1/embeddings";
  }
  return {};
}

Ask::Natural Ask::natural() const {
  auto fails = [](std::vector<std::string_view> reasons) {
    return Natural{false, false, std::move(reasons)};
  };
  if (key != kKey && key != kNarrowKey && !account) return fails({"invalid_api_key"});
  if (model == "absent" || (key == kNarrowKey && model != "last")) return fails({"model_not_found"});
  bool head_first = after > 0 || first_word_delay_ms > 0;  // the head goes out before the fault
  if (fault == "hang" && !stream) return fails({"total_timeout", "headers_timeout"});
  if (fault == "hang") return fails({"headers_timeout", "total_timeout"});
  if (fault == "hang_after_head" && stream) return fails({"first_token_timeout", "total_timeout"});
  if (status == 401 || status == 403) return fails({"upstream_credentials"});
  if (status != 200) return fails({"upstream_status", "mock_"});
  if (fault == "html") return fails({"malformed_response"});
  if (fault == "cut_body" && !stream) return fails({"stream_cut"});
  if (!stream) return {};
  if (fault == "no_done") return {true, false, {}};
  if (fault == "no_finish") return fails({"stream_cut"});
  if (after >= words) return {};
  if (fault == "hang_mid" && after > 0) return fails({"idle_timeout"});
  if (fault == "hang_mid")
    return fails({head_first ? "first_token_timeout" : "headers_timeout", "total_timeout"});
  if (fault == "cut") return fails({head_first ? "stream_cut" : "closed_before_answer"});
  if (fault == "malformed") return fails({"malformed_response"});
  if (fault == "error_event") return fails({"mock_overload"});  // relayed as it came
  return {};
}

std::string Ask::bytes() const {
  std::string what;
  switch (kind) {
    case Kind::kChat:
      what = R"("messages":[{"role":"user","content":"tell me"}])";
      break;
    case Kind::kCompletion:
      what = R"("prompt":"tell me")";
      break;
    case Kind::kEmbedding:
      what = R"("input":["one","two"])";
      break;
  }
  std::string body = fmt::format(R"({{"model":"{}",{})", model, what);
  if (stream) body += R"(,"stream":true)";
  if (usage_wanted) body += R"(,"stream_options":{"include_usage":true})";
  body += fmt::format(
      R"(,"mock":{{"tag":{0},"text_seed":{0},"frames":{1},"text_bytes":{2},"delay_ms":{3},"first_frame_delay_ms":{4},"frame_delay_ms":{5},"status":{6},"fault":"{7}","after":{8}}})",
      tag, words, word_bytes, delay_ms, first_word_delay_ms, word_delay_ms, status, fault, after);
  if (padding > 0) body += fmt::format(R"(,"user":"{}")", std::string(padding, 'u'));
  body += "}";
  std::string out = fmt::format(
      "POST {} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
      path(), key);
  if (!chunked) return out + fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
  out += "Transfer-Encoding: chunked\r\n\r\n";
  for (std::string_view rest = body; !rest.empty();) {
    std::string_view piece = rest.substr(0, 100);
    rest.remove_prefix(piece.size());
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  return out + "0\r\n\r\n";
}

std::string Ask::summary() const {
  static constexpr std::string_view kKinds[] = {"chat", "completion", "embedding"};
  std::string text = fmt::format("request {}: a {}{} of {} words", tag, stream ? "streamed " : "",
                                 kKinds[static_cast<size_t>(kind)], words);
  if (word_bytes > 0) text += fmt::format(" of {} bytes", word_bytes);
  text += " from " + model;
  if (key != kKey) text += account ? ", with a key of the accounts" : ", with another key";
  if (status != 200) text += fmt::format("; the model server says {}", status);
  if (!fault.empty()) text += fmt::format("; the model server's fault: {} after {}", fault, after);
  return text;
}

Ask draw_ask(io::sim::Chance& chance, bool quick) {
  static constexpr std::array<std::string_view, 9> kStreamFaults = {
      "hang",      "hang_after_head", "hang_mid", "cut",      "html",
      "malformed", "error_event",     "no_done",  "no_finish"};
  static constexpr std::array<std::string_view, 3> kWholeFaults = {"hang", "html", "cut_body"};
  static constexpr std::array<int64_t, 7> kStatuses = {400, 401, 404, 422, 429, 500, 503};
  Ask ask;
  ask.kind = static_cast<Ask::Kind>(std::array{0, 0, 0, 0, 1, 2}[chance.below(6)]);
  ask.stream = ask.kind != Ask::Kind::kEmbedding && chance.happens(0.7);
  ask.usage_wanted = ask.stream && chance.happens(0.3);
  ask.chunked = chance.happens(0.15);
  if (chance.happens(0.3)) ask.model = chance.happens(0.5) ? "last" : "quick";
  ask.words = chance.between(1, chance.happens(0.2) ? 40 : 10);
  ask.delay_ms = chance.happens(0.5) ? chance.between(0, 150) : 0;
  ask.first_word_delay_ms = chance.happens(0.3) ? chance.between(0, 200) : 0;
  ask.word_delay_ms = chance.happens(0.6) ? chance.between(0, 60) : 0;
  if (quick) {
    ask.words = chance.between(1, 3);
    ask.delay_ms = ask.first_word_delay_ms = ask.word_delay_ms = 0;
    if (chance.happens(0.9)) return ask;
  }
  if (chance.happens(0.1)) ask.padding = chance.below(8'000);
  if (chance.happens(0.1)) ask.word_bytes = chance.between(200, 4'000);
  if (chance.happens(0.04)) {  // more than every buffer on the way holds: for clients that do not read
    ask.words = 120;
    ask.word_bytes = 16'000;
    ask.word_delay_ms = 0;
  }
  if (chance.happens(0.15)) {
    ask.after = chance.between(0, ask.words);
    ask.fault = ask.stream ? kStreamFaults[chance.below(kStreamFaults.size())]
                           : kWholeFaults[chance.below(kWholeFaults.size())];
  } else if (chance.happens(0.05)) {
    ask.status = kStatuses[chance.below(kStatuses.size())];
  }
  if (chance.happens(0.02)) ask.key = chance.happens(0.5) ? "not-a-key-of-anybody" : std::string(kNarrowKey);
  if (chance.happens(0.01)) ask.model = "absent";
  return ask;
}

}  // namespace weir::app::sim
