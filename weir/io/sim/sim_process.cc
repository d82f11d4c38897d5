#include "weir/io/sim/sim_process.h"

#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"

namespace weir::io::sim {
namespace {

constexpr double kSilentChance = 0.1;  // the peer's machine hears nothing of a killed process
constexpr double kResetChance = 0.5;   // else, of a connection without unread bytes; it is closed in order

}  // namespace

SimProcess::SimProcess(SimMachine& machine, SimNet& net, std::unique_ptr<ProcessDisk> disk, int loops)
    : machine_(machine), net_(net), disk_(std::move(disk)), programs_(loops) {
  for (int i = 0; i < loops; ++i)
    loops_.emplace_back(new SimLoop(*this, net, i));
}

SimProcess::~SimProcess() {
  for (auto& loop : loops_)
    loop->bury();
}

void SimProcess::die(bool silent) {
  if (!alive_) return;
  alive_ = false;
  disk_->die();
  machine_.ports().close_all(*this);
  Chance& chance = net_.physics().chance();
  while (!sides_.empty()) {
    SimConnection::Side& side = sides_.pop_front();
    auto ending = SimConnection::Ending::kInOrder;
    if (silent || chance.happens(kSilentChance))
      ending = SimConnection::Ending::kSilent;
    else if (chance.happens(kResetChance))
      ending = SimConnection::Ending::kReset;
    side.in.connection->cut(side, ending);
  }
  while (!attempts_.empty())
    attempts_.pop_front().process_died();
  streams = listeners = 0;
}

}  // namespace weir::io::sim
