// RingFile: one core's event ring with its two files. The memory is stored into by the loop and survives the
// process; `saved` is written by GroupSync alone and survives the machine. Two, because a mapping that is
// synced stops whoever stores into it next (io/disk.h): with one file the added p99 of a full core was 15 ms.
// The system writes the memory's dirty pages back by itself every half a minute, which does the same:
// GroupSync prepares what is stored into next. What the first has lost when it is opened is put back from the
// second.
#pragma once

#include <memory>
#include <string>

#include "weir/io/disk.h"
#include "weir/telemetry/event_ring.h"

namespace weir::pipeline {

struct RingFile {
  std::unique_ptr<io::MappedFile> memory, saved;
  telemetry::EventRing ring;  // in `memory`

  static std::string saved_path(const std::string& path) { return path + ".saved"; }
};

/// Opens the ring in the files at `path` and saved_path(path), or makes them, `bytes` large; what is in it is
/// on the device then. Blocks. Errors: kIo, naming the path.
Result<RingFile> open_ring(io::Disk& disk, const std::string& path, size_t bytes);
/// The same on files that are open already.
Result<RingFile> make_ring(std::unique_ptr<io::MappedFile> memory, std::unique_ptr<io::MappedFile> saved);

}  // namespace weir::pipeline
