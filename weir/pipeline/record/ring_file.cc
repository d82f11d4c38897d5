#include "weir/pipeline/record/ring_file.h"

#include <utility>

namespace weir::pipeline {

using telemetry::EventRing;

namespace {

// The header, before the first event; and what only the end of the last process left there.
Result<void> bring_to_device(io::MappedFile& file, const EventRing& ring) {
  if (ring.next() > 1) return file.sync();
  return file.write(0, file.bytes().first(EventRing::kHeaderBytes));
}

}  // namespace

Result<RingFile> make_ring(std::unique_ptr<io::MappedFile> memory, std::unique_ptr<io::MappedFile> saved) {
  TRY(auto ring, EventRing::open(memory->bytes()));
  TRY(auto copy, EventRing::open(saved->bytes()));
  if (copy.slots() != ring.slots())
    return fail_internal(ErrorCode::kIo, "the saved copy of the event ring has another size");
  ring.restore(copy);
  TRY_VOID(bring_to_device(*memory, ring));
  TRY_VOID(bring_to_device(*saved, copy));
  return RingFile{std::move(memory), std::move(saved), std::move(ring)};
}

Result<RingFile> open_ring(io::Disk& disk, const std::string& path, size_t bytes) {
  TRY(auto memory, disk.map_file(path, bytes));
  TRY(auto saved, disk.map_file(RingFile::saved_path(path), memory->bytes().size()));
  auto made = make_ring(std::move(memory), std::move(saved));
  if (!made) return fail_internal(ErrorCode::kIo, path + ": " + made.error().message);
  return made;
}

}  // namespace weir::pipeline
