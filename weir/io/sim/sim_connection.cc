#include "weir/io/sim/sim_connection.h"

#include <algorithm>

#include "weir/base/assert.h"
#include "weir/io/sim/sim_loop.h"
#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_process.h"

namespace weir::io::sim {
namespace {

constexpr int kReadsAtOnceMax = 16;  // as io/net: then other work gets its turn
constexpr size_t kDeliveryBytesMax = 16 * 1024;
constexpr int kPiecesMax = 4;  // of a write that is delivered in pieces
constexpr Duration kThrottleStep = milliseconds(50);

}  // namespace

SimConnection::SimConnection(SimNet& net, SimLoop& client, SimLoop& server, bool local, Duration answer_due)
    : net_(net), physics_(net.physics()), number_(net.next_connection()), local_(local) {
  for (int i : {0, 1}) {
    SimLoop& loop = i == 0 ? client : server;
    Side& side = sides_[i];
    side.loop = &loop;
    side.process = &loop.process();
    side.machine = &loop.process().machine();
    side.process->add(side);
    side.in.connection = this;
    side.in.to = i;
  }
  sides_[0].in.last_due = physics_.now() + answer_due;
  trace(0, "connects");
}

SimConnection::~SimConnection() = default;

template <class... Args>
void SimConnection::trace(int from, fmt::format_string<Args...> format, Args&&... args) {
  if (physics_.tracing()) tell(from, fmt::format(format, std::forward<Args>(args)...));
}

void SimConnection::tell(int from, std::string_view what) {
  physics_.trace("{} > {} #{}  {}", sides_[from].machine->name(), sides_[1 - from].machine->name(), number_,
                 what);
}

void SimConnection::schedule(Duration after, What what, int side) {
  physics_.schedule(after, *this, static_cast<uint32_t>(what) * 2 + static_cast<uint32_t>(side));
}

void SimConnection::happen(uint32_t what) {
  int side = static_cast<int>(what & 1);
  switch (static_cast<What>(what / 2)) {
    case kArrive:
      return arrive(side);
    case kWindow:
      out(side).window_due = false;
      fill_window(side);
      return finish_write(side);
    case kReader:
      return finish_read(side);
    case kWriter:
      return finish_write(side);
    case kBreak:
      hear_reset(side);
      finish_read(side);
      return finish_write(side);
  }
}

// ---- Reading

bool SimConnection::readable(const Side& side) const {
  return side.aborted || side.reset || side.in.arrived > 0 || side.in.ended;
}

std::optional<IoResult> SimConnection::take(int at, std::span<char> into) {
  Side& side = sides_[at];
  if (side.aborted) return IoResult{IoStatus::kCancelled, 0};
  Pipe& in = side.in;
  if (in.arrived > 0) {
    size_t n = std::min(in.arrived, into.size());
    Chance& chance = physics_.chance();
    if (n > 1 && chance.happens(physics_.faults().short_read)) n = 1 + chance.below(n - 1);
    in.bytes.take(into.first(n));
    in.arrived -= n;
    acknowledge(at, n);
    return IoResult{IoStatus::kOk, n};
  }
  if (side.reset) return IoResult{IoStatus::kReset, 0};
  if (in.ended) return IoResult{IoStatus::kEof, 0};
  return std::nullopt;
}

// What is read makes room, once the writer hears of it: not while the way back is closed.
void SimConnection::acknowledge(int reader, size_t bytes) {
  Pipe& in = sides_[reader].in;
  int writer = 1 - reader;
  if (out(reader).dead || !net_.passes(*sides_[reader].machine, *sides_[writer].machine)) {
    in.unacknowledged += bytes;
    if (!out(reader).dead) net_.hold(in);
    return;
  }
  in.window_used -= bytes;
  if (sides_[writer].writer && !in.window_due) {
    in.window_due = true;
    schedule(net_.latency(*sides_[reader].machine, *sides_[writer].machine), kWindow, writer);
  }
}

std::optional<IoResult> SimConnection::start_read(int at, std::span<char> into, Completion& completion) {
  Side& side = sides_[at];
  WEIR_ASSERT(!side.reader);
  if (side.aborted) return IoResult{IoStatus::kCancelled, 0};
  if (readable(side)) {
    if (side.reads_at_once < kReadsAtOnceMax && physics_.chance().below(2) == 0) {
      ++side.reads_at_once;
      return take(at, into.empty() ? completion.read_into() : into);
    }
    schedule(physics_.soon(), kReader, at);
  }
  side.reads_at_once = 0;
  side.reader = &completion;
  side.into = into;
  return std::nullopt;
}

void SimConnection::finish_read(int at) {
  Side& side = sides_[at];
  if (!side.reader || !side.loop->runs()) return;
  std::span<char> into = side.into.empty() ? side.reader->read_into() : side.into;
  if (auto result = take(at, into)) std::exchange(side.reader, nullptr)->on_done(*result);
}

// ---- Writing

std::optional<IoResult> SimConnection::start_write(int at, std::span<const std::string_view> pieces,
                                                   Completion& completion) {
  Side& side = sides_[at];
  WEIR_ASSERT(!side.writer);
  if (side.aborted) return IoResult{IoStatus::kCancelled, 0};
  bool at_once = physics_.chance().below(8) != 0;  // a socket with room hardly ever waits
  if (side.reset && at_once) return IoResult{IoStatus::kReset, 0};
  side.written = 0;
  side.unsent_at = 0;
  side.unsent.assign(pieces.begin(), pieces.end());
  fill_window(at);
  bool all = side.unsent_at == side.unsent.size();
  if (all && at_once) return IoResult{IoStatus::kOk, side.written};
  if (all || side.reset) schedule(physics_.soon(), kWriter, at);
  side.writer = &completion;
  return std::nullopt;
}

void SimConnection::fill_window(int at) {
  Side& side = sides_[at];
  if (side.aborted || side.reset || !side.open) return;
  Pipe& pipe = out(at);
  size_t taken = 0;
  while (side.unsent_at < side.unsent.size()) {
    std::string_view& piece = side.unsent[side.unsent_at];
    size_t n = std::min(piece.size(), kWindowBytes - pipe.window_used - taken);
    if (n == 0 && !piece.empty()) break;
    pipe.bytes.append(piece.substr(0, n));
    taken += n;
    piece.remove_prefix(n);
    if (piece.empty()) ++side.unsent_at;
  }
  if (taken == 0) return;
  side.written += taken;
  pipe.window_used += taken;
  net_.note_buffer(pipe.window_used);

  Chance& chance = physics_.chance();
  int cuts = taken > 1 && chance.happens(physics_.faults().short_write)
                 ? static_cast<int>(1 + chance.below(kPiecesMax - 1))
                 : 0;
  while (taken > 0) {
    size_t n = std::min(taken, kDeliveryBytesMax);
    if (cuts > 0) {
      n = 1 + chance.below(n);
      --cuts;
    }
    send(at, Pipe::Kind::kBytes, n);
    taken -= n;
  }
}

void SimConnection::finish_write(int at) {
  Side& side = sides_[at];
  if (!side.writer || !side.loop->runs()) return;
  IoResult result{IoStatus::kOk, side.written};
  if (side.aborted)
    result = {IoStatus::kCancelled, 0};
  else if (side.reset)
    result = {IoStatus::kReset, 0};
  else if (side.unsent_at < side.unsent.size())
    return;
  std::exchange(side.writer, nullptr)->on_done(result);
}

// ---- On the way

void SimConnection::send(int from, Pipe::Kind kind, size_t bytes) {
  Pipe& pipe = out(from);
  if (pipe.dead) return;
  MonoTime due = physics_.now() + net_.latency(*sides_[from].machine, *sides_[1 - from].machine);
  pipe.last_due = std::max(pipe.last_due, due);
  if (pipe.first * 2 >= pipe.deliveries.size()) {
    pipe.deliveries.erase(pipe.deliveries.begin(),
                          pipe.deliveries.begin() + static_cast<ptrdiff_t>(pipe.first));
    pipe.first = 0;
  }
  pipe.deliveries.push_back({pipe.last_due, static_cast<uint32_t>(bytes), kind});
  schedule_arrival(pipe);
}

void SimConnection::schedule_arrival(Pipe& pipe) {
  if (pipe.scheduled || pipe.waiting || pipe.dead || !pipe.in_flight()) return;
  pipe.scheduled = true;
  MonoTime at = std::max(pipe.deliveries[pipe.first].due, pipe.free_at);
  physics_.schedule(at, *this, static_cast<uint32_t>(kArrive) * 2 + static_cast<uint32_t>(pipe.to));
}

void SimConnection::arrive(int to) {
  Pipe& pipe = sides_[to].in;
  pipe.scheduled = false;
  if (pipe.dead || !pipe.in_flight()) return;
  if (!net_.passes(*sides_[1 - to].machine, *sides_[to].machine)) {
    trace(1 - to, "waits for the way to open");
    pipe.waiting = true;
    return net_.hold(pipe);
  }
  MonoTime now = physics_.now();
  while (pipe.in_flight() && pipe.deliveries[pipe.first].due <= now && pipe.free_at <= now)
    if (!deliver(to, pipe)) break;
  schedule_arrival(pipe);
  finish_read(to);
  if (sides_[to].reset) finish_write(to);
}

bool SimConnection::deliver(int to, Pipe& pipe) {
  Side& side = sides_[to];
  Pipe::Delivery& delivery = pipe.deliveries[pipe.first];
  if (delivery.kind == Pipe::Kind::kEnd) {
    ++pipe.first;
    pipe.ended = true;
    trace(1 - to, "closed");
    return true;
  }
  if (delivery.kind == Pipe::Kind::kReset) {
    trace(1 - to, "reset");
    hear_reset(to);
    return false;
  }
  Chance& chance = physics_.chance();
  const Faults& faults = physics_.faults();
  if (remote() && chance.happens(faults.half_open)) {
    trace(1 - to, "goes silent by fault");
    pipe.dead = true;
    return false;
  }
  if (remote() && chance.happens(faults.reset)) {
    trace(1 - to, "reset by fault");
    hear_reset(to);
    schedule(net_.latency(*side.machine, *sides_[1 - to].machine), kBreak, 1 - to);
    return false;
  }
  if (!side.open) {
    trace(1 - to, "{} bytes for nobody", delivery.bytes);
    pipe.lose_in_flight();
    pipe.dead = true;
    send_reset(to);
    return false;
  }
  size_t n = delivery.bytes;
  if (uint64_t rate = side.machine->throttle(); rate > 0) {
    n = std::min<size_t>(n, std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(rate) *
                                                                        to_seconds(kThrottleStep))));
    pipe.free_at = physics_.now() + Duration(static_cast<int64_t>(n * 1'000'000'000 / rate));
  }
  delivery.bytes -= static_cast<uint32_t>(n);
  if (delivery.bytes == 0) ++pipe.first;
  pipe.arrived += n;
  trace(1 - to, "{} bytes", n);
  return true;
}

bool SimConnection::release(int to) {
  Pipe& pipe = sides_[to].in;
  SimMachine &sender = *sides_[1 - to].machine, &reader = *sides_[to].machine;
  if (pipe.unacknowledged > 0 && net_.passes(reader, sender))
    acknowledge(to, std::exchange(pipe.unacknowledged, 0));
  if (pipe.waiting && net_.passes(sender, reader)) {
    // What was sent again and again in vain is sent once more.
    pipe.waiting = false;
    pipe.free_at = std::max(pipe.free_at, physics_.now() + net_.latency(sender, reader));
    schedule_arrival(pipe);
  }
  return !pipe.waiting && pipe.unacknowledged == 0;
}

// ---- Ending

void SimConnection::send_reset(int from) {
  Pipe& pipe = out(from);
  if (pipe.dead) return;
  if (physics_.chance().below(2) == 0) pipe.lose_in_flight();  // it overtook what was on the way
  send(from, Pipe::Kind::kReset, 0);
}

void SimConnection::hear_reset(int at) {
  Side& side = sides_[at];
  side.reset = true;
  side.in.dead = out(at).dead = true;
  if (physics_.chance().below(2) == 0) side.in.arrived = 0;
  side.in.lose_in_flight();
  out(at).lose_in_flight();
}

void SimConnection::abort(int at) {
  Side& side = sides_[at];
  if (side.aborted) return;
  side.aborted = true;
  if (side.reader) schedule(physics_.soon(), kReader, at);
  if (side.writer) schedule(physics_.soon(), kWriter, at);
}

// Closing with unread bytes cuts the connection, as TCP does: the peer must not take them for received.
void SimConnection::close(int at) {
  Side& side = sides_[at];
  side.reader = side.writer = nullptr;
  side.unsent.clear();
  if (!side.open) return;
  side.open = false;
  if (side.process) side.process->remove(side);
  side.process = nullptr;
  if (side.reset) return;
  if (side.in.arrived > 0)
    send_reset(at);
  else
    send(at, Pipe::Kind::kEnd, 0);
  side.in.bytes.keep(0);
  side.in.arrived = 0;
}

void SimConnection::cut(Side& side, Ending ending) {
  int at = &side == &sides_[0] ? 0 : 1;
  if (!side.reset) {
    if (ending == Ending::kInOrder && side.in.arrived == 0)
      send(at, Pipe::Kind::kEnd, 0);
    else if (ending != Ending::kSilent)
      send_reset(at);
    else
      out(at).lose_in_flight();
  }
  side.open = false;
  side.process = nullptr;
  side.reset = true;
  side.in.arrived = 0;
  side.in.bytes.keep(0);
  if (side.reader) schedule(physics_.soon(), kReader, at);
  if (side.writer) schedule(physics_.soon(), kWriter, at);
}

std::string_view SimConnection::peer(int at) const {
  if (local_) return "unix";
  return remote() ? sides_[1 - at].machine->host() : std::string_view("127.0.0.1");
}

}  // namespace weir::io::sim
