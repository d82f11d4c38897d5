#include "weir/app/sim/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace weir::app::sim {

using io::IoStatus;

// One connection and the patience with which it is used. Its scope ends when the client leaves or gives up;
// the stream is dead then.
class Client::Visit {
 public:
  Visit(Client& c, size_t r) : client(c), replica(r), began(c.loop_.now()) {}

  io::Task<bool> connect() {
    wait_at_most(client.plan_.limits.total);
    io::Address to{io::Address::Kind::kTcp, replica_host(replica), kReplicaPort};
    auto made = co_await client.loop_.network().connect(to, {}, scope);
    if (!made) co_return false;
    stream = *std::move(made);
    co_return true;
  }

  /// Sends all of it; with `pieces` > 1 in so many parts with pauses.
  io::Task<IoStatus> send(std::string bytes, size_t pieces = 1, Duration pause = {}) {
    std::string_view rest = bytes;
    IoStatus status = IoStatus::kOk;
    for (; pieces > 0 && status == IoStatus::kOk; --pieces) {
      std::string_view piece = rest.substr(0, pieces == 1 ? rest.size() : rest.size() / pieces);
      rest.remove_prefix(piece.size());
      if (!piece.empty()) status = (co_await io::write(*stream, {&piece, 1}, scope)).status;
      if (pieces > 1 && pause.count() > 0) co_await io::sleep(client.loop_, pause, scope);
    }
    co_return status;
  }

  /// Waits for more bytes.
  io::Task<IoStatus> more() {
    if (read_pause.count() > 0) co_await io::sleep(client.loop_, read_pause, scope);
    std::array<char, 16 * 1024> buffer;
    std::span<char> into(buffer.data(), read_bytes_max);
    io::IoResult got = co_await io::read(*stream, into, scope);
    if (got.ok()) unread.append(buffer.data(), got.bytes);
    co_return got.status;
  }

  void wait_at_most(Duration time) {
    client.loop_.arm(patience, time + client.plan_.slack() + client.plan_.receipt_bound());
  }
  void leave_after(Duration time) { client.loop_.arm(leaving, time); }
  bool left() const { return scope.reason() == io::CancelReason::kAbandoned; }
  bool gave_up() const { return scope.reason() == io::CancelReason::kTotalTimeout; }

  Client& client;
  const size_t replica;
  const MonoTime began;
  io::Cancel scope;
  io::Timeout patience{scope, io::CancelReason::kTotalTimeout};
  io::Timeout leaving{scope, io::CancelReason::kAbandoned};
  std::unique_ptr<io::Stream> stream;
  std::string unread;  // that came and belong to no answer yet
  Duration read_pause{};
  size_t read_bytes_max = 16 * 1024;
};

Client::Client(io::Loop& loop, io::sim::Universe& universe, const Plan& plan, Ledger& ledger, uint64_t seed,
               std::string name, const KeyDesk* accounts)
    : loop_(loop),
      universe_(universe),
      plan_(plan),
      ledger_(ledger),
      accounts_(accounts),
      chance_(seed),
      name_(std::move(name)) {}

io::Task<void> Client::run() {
  while (co_await io::sleep(loop_, chance_.between(Duration(0), plan_.think), stopping_))
    co_await visit();
}

io::Task<void> Client::visit() {
  Visit visit(*this, chance_.below(plan_.replicas));
  uint64_t mood = chance_.below(100);
  if (mood < 6) {
    ++moods_["nonsense"];
    co_return co_await nonsense(visit);
  }
  if (mood < 10) {
    ++moods_["look"];
    co_return co_await look(visit);
  }
  if (!co_await visit.connect()) {
    // No case: nothing was asked. That somebody listens again is what the probes ask for in the end.
    ++moods_["no_connection"];
    co_return;
  }
  bool again = true;
  for (uint64_t rounds = 1 + chance_.below(4); again && rounds > 0 && !stopping_.requested(); --rounds)
    co_await ask(visit, again);
}

// One request, or some at once (pipelining), and their answers. `again`: the connection is still good.
io::Task<void> Client::ask(Visit& visit, bool& again) {
  again = false;
  const Limits& limits = plan_.limits;
  Manner manner;
  size_t count = 1, pieces = 1;
  Duration pause{};
  int64_t leave_after_words = -1;
  std::string_view how;  // for the trace
  uint64_t mood = chance_.below(100);
  if (mood < 50) {
    ++moods_["ask"];
  } else if (mood < 58) {
    ++moods_["pipeline"];
    how = ", many at once";
    count = 2 + chance_.below(3);
    manner.pipelined = true;
  } else if (mood < 66) {
    ++moods_["send_slowly"];
    how = ", slowly";
    pieces = 2 + chance_.below(20);
    pause = chance_.between(milliseconds(1), milliseconds(60));
    manner.slow_sender = pause * static_cast<int64_t>(pieces) > limits.header / 2;
  } else if (mood < 69) {
    ++moods_["send_too_slowly"];
    how = ", too slowly";
    pieces = 2 + chance_.below(3);
    pause = std::max(limits.header, limits.body) * 2;
    manner.slow_sender = true;
  } else if (mood < 75) {
    ++moods_["read_slowly"];
    how = ", and reads slowly";
    visit.read_pause = chance_.between(milliseconds(1), milliseconds(100));
    visit.read_bytes_max = static_cast<size_t>(chance_.between(100, 16 * 1024));
    manner.slow_reader = true;
  } else if (mood < 78) {
    ++moods_["stop_reading"];
    how = ", and hardly reads";
    visit.read_pause = 3 * limits.write;
    manner.slow_reader = true;
  } else if (mood < 90) {
    ++moods_["leave_some_time"];
    how = ", and will leave";
    visit.leave_after(chance_.between(Duration(0), milliseconds(chance_.happens(0.5) ? 300 : 3000)));
  } else {
    ++moods_["leave_after_words"];
    how = ", and will leave after words";
    leave_after_words = chance_.between(0, 6);
  }

  std::vector<Case*> cases;
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    Case& c = ledger_.open(next_ask(), visit.replica, name_, visit.began, manner);
    cases.push_back(&c);
    bytes += c.ask.bytes();
    if (universe_.tracing())
      universe_.trace(name_, fmt::format("asks weir-{}{}: {}", visit.replica, how, c.ask.summary()));
  }
  // Until the first byte everything that a request may wait for, once for each target and once more for a
  // connection that turns out dead; between bytes what a token may take.
  Duration whole = limits.total + limits.connect + Duration(pause * static_cast<int64_t>(pieces));
  visit.wait_at_most(whole + Duration(visit.read_pause * 2));
  co_await visit.send(std::move(bytes), pieces, pause);

  size_t answered = 0;
  bool open = true;
  for (Case* c : cases) {
    AnswerReader reader(&c->ask);
    IoStatus status = IoStatus::kOk;
    bool some = !visit.unread.empty();
    for (;;) {
      reader.take(visit.unread);
      ledger_.progress(*c, reader);
      if (reader.complete() || !reader.wrong().empty() || !open) break;
      if (leave_after_words >= 0 && reader.head_seen() && reader.words() >= leave_after_words)
        visit.scope.request(io::CancelReason::kAbandoned);
      status = co_await visit.more();
      some = some || status == IoStatus::kOk;
      if (status != IoStatus::kOk) break;
      bool may_go_on = c->ask.kind == Ask::Kind::kChat && plan_.models > 1;
      if (reader.words() > 0)
        visit.wait_at_most((may_go_on ? whole : Duration(limits.token_idle)) +
                           Duration(visit.read_pause * 2));
    }
    if (reader.complete()) {
      ++answered;
      ledger_.close(*c, End::kAnswered, reader);
      if (reader.closes()) open = false;
      visit.wait_at_most(whole + Duration(visit.read_pause * 2));
    } else {
      End end = End::kBroken;
      if (visit.left()) end = End::kLeft;
      if (visit.gave_up()) end = End::kGaveUp;
      bool nothing = !some && (!open || status == IoStatus::kEof);
      if (end == End::kBroken && nothing && c != cases.front()) end = End::kUnread;
      ledger_.close(*c, end, reader);
      open = false;
    }
  }
  for (const Case* c : cases)
    consider_retry(*c);
  visit.leaving.disarm();
  visit.read_pause = {};
  visit.read_bytes_max = 16 * 1024;
  // After a slow answer, or what was too slow to be read, the server may have closed the connection.
  again = open && answered == cases.size() && !manner.slow_reader && !manner.slow_sender;
}

Ask Client::next_ask() {
  if (!again_) {
    Ask ask = draw_ask(chance_, plan_.busy);
    if (accounts_ && ask.key == kKey && chance_.happens(0.4)) {
      ask.key = accounts_->any_key(chance_);
      ask.account = true;
    }
    return ask;
  }
  ++moods_["retry"];
  return *std::exchange(again_, std::nullopt);
}

// As SDKs do: after a refusal, a server's error or a broken connection.
void Client::consider_retry(const Case& c) {
  bool worth_it = c.end == End::kBroken || c.end == End::kUnread || c.status == 429 || c.status >= 500;
  if (worth_it && chance_.happens(0.5)) again_ = c.ask;
}

// What is no request: the answer, if there is one, is an error of the dialect, and the connection ends.
io::Task<void> Client::nonsense(Visit& visit) {
  static constexpr std::array<std::string_view, 9> kNonsense = {
      "GET / HTTP/9.9\r\n\r\n",
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
      "6\r\n\r\n",
      "\x16\x03\x01\x02\x01",
      "GET /health HTTP/1.1\r\nHost: a\r\n folded: line\r\n\r\n",
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{\"model\"",
      "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
      "\r\n\r\n\r\n\r\n",
  };
  if (!co_await visit.connect()) co_return;
  std::string bytes;
  if (chance_.happens(0.5)) {
    bytes = kNonsense[chance_.below(kNonsense.size())];
  } else if (chance_.happens(0.5)) {  // a good request with a few wrong bytes
    Ask ask;
    ask.tag = -1;
    bytes = ask.bytes();
    if (size_t at = bytes.find(R"("tag":-1,)"); at != std::string::npos) bytes.replace(at, 9, R"("gat":-1,)");
    for (uint64_t n = 1 + chance_.below(4); n > 0; --n)
      bytes[chance_.below(bytes.size())] = static_cast<char>(chance_.below(256));
  } else {
    bytes.resize(1 + chance_.below(300));
    for (char& byte : bytes)
      byte = static_cast<char>(chance_.below(256));
  }
  const Limits& l = plan_.limits;
  visit.wait_at_most(l.header + l.body + l.total + l.idle);
  co_await visit.send(std::move(bytes));
  AnswerReader reader(nullptr);
  while (!reader.complete() && reader.wrong().empty() && co_await visit.more() == IoStatus::kOk)
    reader.take(visit.unread);
  if (!reader.wrong().empty())
    ledger_.violated(fmt::format("{}: nonsense was answered: {}", name_, reader.wrong()));
}

// What operators and clients look at.
io::Task<void> Client::look(Visit& visit) {
  static constexpr std::array<std::string_view, 4> kPaths = {"/health", "/ready", "/v1/models", "/metrics"};
  if (!co_await visit.connect()) co_return;
  std::string_view path = kPaths[chance_.below(kPaths.size())];
  visit.wait_at_most(plan_.limits.header);
  co_await visit.send(
      fmt::format("GET {} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer {}\r\n\r\n", path, kKey));
  AnswerReader reader(nullptr);
  while (!reader.complete() && co_await visit.more() == IoStatus::kOk)
    reader.take(visit.unread);
  bool expected = reader.status() == 200 || reader.status() == 503 || reader.status() == 408;
  if (reader.complete() && !expected)
    ledger_.violated(fmt::format("{}: {} was answered with status {}", name_, path, reader.status()));
}

io::Task<void> Client::probe(size_t replica, std::string model) {
  Visit visit(*this, replica);
  Ask ask;
  ask.model = std::move(model);
  ask.stream = true;
  co_await probe_with(visit, std::move(ask), true);
}

io::Task<void> Client::probe_revoked(size_t replica, std::string key) {
  Visit visit(*this, replica);
  Ask ask;
  ask.key = std::move(key);
  ask.account = true;
  co_await probe_with(visit, std::move(ask), false);
}

io::Task<void> Client::probe_with(Visit& visit, Ask ask, bool well) {
  if (!co_await visit.connect()) {
    ledger_.violated(fmt::format("after everything was healed: no connection to weir-{}", visit.replica));
    co_return;
  }
  Case& c = ledger_.open(std::move(ask), visit.replica, name_, visit.began, {});
  visit.wait_at_most(plan_.limits.total);
  co_await visit.send(c.ask.bytes());
  AnswerReader reader(&c.ask);
  while (!reader.complete() && reader.wrong().empty() && co_await visit.more() == IoStatus::kOk)
    reader.take(visit.unread);
  ledger_.close(c,
                reader.complete() ? End::kAnswered
                : visit.gave_up() ? End::kGaveUp
                                  : End::kBroken,
                reader);
  bool right = well ? reader.status() == 200 && reader.done() : reader.status() == 401;
  if (!reader.complete() || !right)
    ledger_.violated(fmt::format("after everything was healed: weir-{} answers {} with {} {}", visit.replica,
                                 c.ask.summary(), reader.status(), reader.error()));
}

io::Task<void> Client::fetch(size_t replica, std::string path, std::string& body) {
  Visit visit(*this, replica);
  if (!co_await visit.connect()) co_return;
  visit.wait_at_most(plan_.limits.total);
  co_await visit.send(fmt::format("GET {} HTTP/1.1\r\nHost: weir\r\n\r\n", path));
  AnswerReader reader(nullptr);
  while (!reader.complete() && co_await visit.more() == IoStatus::kOk)
    reader.take(visit.unread);
  if (reader.complete() && reader.status() == 200) body = reader.body();
}

}  // namespace weir::app::sim
