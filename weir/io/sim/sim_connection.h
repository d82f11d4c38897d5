// SimConnection: both ends of one connection and the bytes between them, as the kernels on both sides would
// keep them. A direction (Pipe) holds at most kWindowBytes that were written and not yet read; deliveries
// arrive in order, each after its own delay, and what arrived waits for the reader. An end that was closed or
// whose process died answers bytes that still come with a reset. Counted: events and streams keep it alive.
//
// What the faults do, each drawn when a delivery between two machines arrives: `reset` cuts both directions,
// both ends hear of it (the sender one latency later), and the reader may lose what it had not read;
// `half_open` ends one direction without a word: what is sent fills the window and stays there.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "weir/base/intrusive_list.h"
#include "weir/io/sim/byte_queue.h"
#include "weir/io/sim/physics.h"
#include "weir/io/stream.h"

namespace weir::io::sim {

class SimConnection;
class SimLoop;
class SimMachine;
class SimNet;
class SimProcess;

/// One direction. Linked while its deliveries or their acknowledgements wait for a way.
struct Pipe : ListNode {
  enum class Kind : uint8_t { kBytes, kEnd, kReset };
  struct Delivery {
    MonoTime due;
    uint32_t bytes;
    Kind kind;
  };

  SimConnection* connection = nullptr;
  int to = 0;                        // the side it leads to
  ByteQueue bytes;                   // arrived, then in flight
  size_t arrived = 0;                // of them, those the reader may have
  size_t window_used = 0;            // written and not known to be read
  size_t unacknowledged = 0;         // read, but the writer cannot hear of it
  std::vector<Delivery> deliveries;  // in flight, from `first`
  size_t first = 0;
  MonoTime last_due;        // nothing overtakes
  MonoTime free_at;         // a throttled reader takes the next bytes then
  bool scheduled = false;   // an arrival is
  bool waiting = false;     // for a way: no arrival is scheduled
  bool window_due = false;  // the writer is about to hear of room
  bool dead = false;        // nothing arrives any more
  bool ended = false;       // the peer closed in order

  bool in_flight() const { return first < deliveries.size(); }
  void lose_in_flight() {
    bytes.keep(arrived);
    deliveries.clear();
    first = 0;
  }
};

class SimConnection final : public Occurrence {
 public:
  static constexpr size_t kWindowBytes = 64 * 1024;

  struct Side : ListNode {  // in its process's list while both are alive
    SimMachine* machine;    // outlives the connection
    SimProcess* process;    // null once it died
    SimLoop* loop;          // outlives the stream
    bool open = true;       // as the kernel sees it
    bool aborted = false;   // by its owner
    bool reset = false;     // it heard of a reset, or its process died
    int reads_at_once = 0;  // since the last one that waited
    Completion* reader = nullptr;
    std::span<char> into;
    Completion* writer = nullptr;
    std::vector<std::string_view> unsent;  // what the write has not got into the window
    size_t unsent_at = 0;
    size_t written = 0;
    Pipe in;
  };

  /// Side 0 is the client's. Nothing reaches it before `answer_due`, when it hears that it is connected.
  SimConnection(SimNet& net, SimLoop& client, SimLoop& server, bool local, Duration answer_due);
  ~SimConnection() override;

  // Stream's operations, of one side.
  std::optional<IoResult> start_read(int side, std::span<char> into, Completion& completion);
  std::optional<IoResult> start_write(int side, std::span<const std::string_view> pieces,
                                      Completion& completion);
  void abort(int side);
  std::string_view peer(int side) const;
  /// The stream is gone.
  void close(int side);

  enum class Ending : uint8_t { kInOrder, kReset, kSilent };
  /// The side's process died: it reaches nothing any more, and the peer hears of it or not.
  void cut(Side& side, Ending ending);

  /// The way may be open again. False: something still waits.
  bool release(int side);
  uint64_t number() const { return number_; }

 private:
  enum What : uint32_t { kArrive, kWindow, kReader, kWriter, kBreak };

  void happen(uint32_t what) override;
  void schedule(Duration after, What what, int side);
  Pipe& out(int side) { return sides_[1 - side].in; }
  bool remote() const { return sides_[0].machine != sides_[1].machine; }

  bool readable(const Side& side) const;
  std::optional<IoResult> take(int side, std::span<char> into);
  void acknowledge(int reader, size_t bytes);
  void finish_read(int side);
  void finish_write(int side);
  /// Moves what fits of a write into the window.
  void fill_window(int side);

  void send(int side, Pipe::Kind kind, size_t bytes);
  void arrive(int side);
  /// False: the delivery ended the connection or the direction.
  bool deliver(int side, Pipe& pipe);
  void send_reset(int side);
  void hear_reset(int side);
  void schedule_arrival(Pipe& pipe);

  template <class... Args>
  void trace(int from, fmt::format_string<Args...> format, Args&&... args);
  void tell(int from, std::string_view what);

  SimNet& net_;
  Physics& physics_;
  const uint64_t number_;
  const bool local_;  // over a Unix socket
  std::array<Side, 2> sides_;
};

}  // namespace weir::io::sim
