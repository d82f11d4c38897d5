// The directory of everything this installation keeps (data.directory): made at the first start, private to
// its user, with the installation's own name in it. Who else writes there is named by its own folder:
// events/ring-K and ring-K.saved, for each core.
#pragma once

#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/io/loop.h"
#include "weir/store/event_drainer.h"

namespace weir::app {

struct DataDirectory {
  std::string path;
  std::string events;   // its folder of events
  std::string replica;  // this installation's name: made once, kept in the file `replica`

  std::string ring(int core) const { return events + "/ring-" + std::to_string(core); }
};

/// Blocks. Errors: kIo, naming data.directory.
Result<DataDirectory> open_data_directory(const std::string& path, io::Loop& loop);

/// The rings of cores that a former run had and this one has not. One that is no ring, or that can not be
/// opened, stays where it is; `say` hears of it.
std::vector<store::EventDrainer::FormerRing> former_rings(const DataDirectory& data, int cores,
                                                          io::Disk& disk,
                                                          const store::EventDrainer::Say& say);

}  // namespace weir::app
