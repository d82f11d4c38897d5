// weir sim: runs simulated worlds, one after another, each from a seed, and tells what did not hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weir::app::sim {

struct SimCommand {
  std::optional<uint64_t> seed;  // one world
  std::string seeds;             // "A..B", both included
  double minutes = 0;            // fresh seeds for so long
  uint64_t fresh = 0;            // so many fresh seeds
  bool trace = false;
  std::string mutation;     // a deliberate bug (preset mutants)
  bool keep_going = false;  // after a failing seed
};

/// Blocks. 0: everything held; 1: some world failed (its replay command was printed); 2: bad arguments.
int run_sim(const SimCommand& command);

}  // namespace weir::app::sim
