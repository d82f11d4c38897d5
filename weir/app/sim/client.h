// Client: one caller of the simulated world. Again and again it opens a connection to some replica and
// behaves as callers do: asks once or several times over it, pipelines, sends slowly, reads slowly or not at
// all, leaves at any point, retries, sends what is no request. Each request is a case of the ledger. Lives on
// one loop of a client machine; outlives its tasks.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/app/sim/invariants.h"
#include "weir/app/sim/key_desk.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::app::sim {

class Client {
 public:
  Client(io::Loop& loop, io::sim::Universe& universe, const Plan& plan, Ledger& ledger, uint64_t seed,
         std::string name, const KeyDesk* accounts);

  /// Visits replicas until stop(); what is under way then is ended in order.
  io::Task<void> run();
  void stop() { stopping_.request(io::CancelReason::kAbandoned); }

  /// One plain request for `model` to a replica of a healed world: it must be answered well.
  io::Task<void> probe(size_t replica, std::string model);
  /// One with a key that was revoked: it must be refused.
  io::Task<void> probe_revoked(size_t replica, std::string key);
  /// GET of a path of a healed world; `body` is set when the status was 200.
  io::Task<void> fetch(size_t replica, std::string path, std::string& body);

  const std::map<std::string, uint64_t>& moods() const { return moods_; }

 private:
  class Visit;
  io::Task<void> visit();
  io::Task<void> ask(Visit& visit, bool& again);
  io::Task<void> probe_with(Visit& visit, Ask ask, bool well);
  Ask next_ask();
  void consider_retry(const Case& c);
  io::Task<void> nonsense(Visit& visit);
  io::Task<void> look(Visit& visit);

  io::Loop& loop_;
  io::sim::Universe& universe_;
  const Plan& plan_;
  Ledger& ledger_;
  const KeyDesk* const accounts_;  // nullptr: there are none
  io::sim::Chance chance_;
  const std::string name_;
  io::Cancel stopping_;
  std::optional<Ask> again_;               // what it asks once more, on another connection
  std::map<std::string, uint64_t> moods_;  // how often it behaved how
};

}  // namespace weir::app::sim
