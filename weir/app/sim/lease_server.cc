#include "weir/app/sim/lease_server.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "weir/base/assert.h"

namespace weir::app::sim {

using store::redis::Reply;

LeaseServer::~LeaseServer() {
  WEIR_ASSERT(!live_ && dead_.empty());
}

void LeaseServer::start() {
  if (live_) return;
  io::Loop& loop = *machine_.boot().front();
  live_ = std::make_unique<Process>();
  auto listener = loop.network().listen(
      {io::Address::Kind::kTcp, std::string(machine_.host()), kLeasePort}, {},
      [this, p = live_.get()](std::unique_ptr<io::Stream> stream) { accepted(*p, std::move(stream)); });
  WEIR_ASSERT(listener);
  live_->listener = *std::move(listener);
}

void LeaseServer::kill(bool forget) {
  if (!live_) return;
  machine_.kill();
  if (forget) books_.clear();
  Process* process = live_.get();
  dead_.push_back(std::move(live_));
  process->listener.reset();
  process->ending.request(io::CancelReason::kShutdown);
  ends_.start(wait_for_end(*process));
}

io::Task<void> LeaseServer::wait_for_end(Process& process) {
  co_await process.tasks.idle();
  universe_.at({}, [this, p = &process] {
    std::erase_if(dead_, [&](const auto& d) { return d.get() == p; });
    if (dead_.empty()) machine_.bury();
  });
}

void LeaseServer::accepted(Process& process, std::unique_ptr<io::Stream> stream) {
  process.tasks.start(serve(process, std::move(stream)));
}

io::Task<void> LeaseServer::serve(Process& process, std::unique_ptr<io::Stream> stream) {
  std::string got;
  std::array<char, 4096> buffer;
  for (;;) {
    io::IoResult read = co_await io::read(*stream, buffer, process.ending);
    if (!read.ok()) co_return;
    got.append(buffer.data(), read.bytes);
    std::string said;
    std::string_view rest = got;
    for (;;) {  // a command is a list of texts, as a reply may be one
      auto command = store::redis::take_reply(rest);
      WEIR_ASSERT(command);
      if (!*command) break;
      said += answer(process, **command);
    }
    got.erase(0, got.size() - rest.size());
    if (said.empty()) continue;
    std::array<std::string_view, 1> pieces{said};
    if (!(co_await io::write(*stream, pieces, process.ending)).ok()) co_return;
  }
}

std::string LeaseServer::answer(Process& process, const Reply& command) {
  const std::string& word = command.list.at(0).text;
  if (word == "SCRIPT") {
    process.has_script = true;
    return "$4\r\nabcd\r\n";
  }
  WEIR_ASSERT(word == "EVALSHA");
  if (!process.has_script) return "-NOSCRIPT No matching script.\r\n";
  std::vector<int64_t> numbers;
  for (size_t i = 5; i < command.list.size(); ++i) {
    const std::string& text = command.list[i].text;
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    numbers.push_back(number);
  }
  auto turn = store::lease_turn_of(command.list[3].text, std::span(numbers).subspan(1));
  WEIR_ASSERT(turn);
  store::LeaseGrant grant =
      books_[turn->scope].take(command.list[4].text, *turn, universe_.now().ns / 1000, numbers[0]);
  std::string text;
  std::vector<int64_t> out = store::numbers_of(grant);
  text += "*" + std::to_string(out.size()) + "\r\n";
  for (int64_t n : out)
    text += ":" + std::to_string(n) + "\r\n";
  return text;
}

}  // namespace weir::app::sim
