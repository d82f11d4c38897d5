#include "weir/io/sim/sim_handles.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace weir::io::sim {

SimMapping::SimMapping(SimDisk& disk, std::shared_ptr<SimFile> file, std::string path)
    : disk_(disk), file_(std::move(file)), memory_(file_->map()), path_(std::move(path)) {}

SimMapping::~SimMapping() {
  if (attached()) file_->unmap();
}

Result<void> SimMapping::sync() {
  if (attached()) disk_.changing();
  int error = attached() ? disk_.sync(*file_) : EIO;
  if (error != 0)
    return fail_internal(ErrorCode::kIo, fmt::format("cannot sync {}: {}", path_, strerror(error)));
  return {};
}

// The real one brings no other part to the device; nobody who writes stores besides.
Result<void> SimMapping::write(size_t at, std::span<const std::byte> from) {
  if (attached()) disk_.changing();
  if (attached()) std::memmove(memory_->data() + at, from.data(), from.size());
  return sync();
}

SimLog::SimLog(SimDisk& disk, std::string path, size_t buffer_bytes_max)
    : disk_(disk), path_(std::move(path)), bytes_max_(buffer_bytes_max) {}

int SimLog::open() {
  if (path_ == "-") return 0;
  int error = 0;
  auto file = disk_.open(absolute_path(path_), 0640, error);
  if (error == 0) file_ = std::move(file);
  return error;
}

int SimLog::write(std::string_view line) {
  if (attached()) disk_.changing();
  if (!attached()) return EIO;
  if (path_ == "-") {
    if (disk_.output_) disk_.output_(line);
    return 0;
  }
  if (disk_.fails()) return EIO;
  if (!file_->write(file_->size(), std::as_bytes(std::span(line)))) return ENOSPC;
  file_->modified_unix_ns = disk_.wall_ns();
  return 0;
}

void SimLog::append(std::string_view line) {
  std::string whole(line);
  if (whole.empty() || whole.back() != '\n') whole += '\n';
  if (whole.size() > bytes_max_) {
    ++dropped_;
    return;
  }
  int error = write(whole);
  if (error != 0) ++dropped_;
  last_error_ = error == 0 ? "" : fmt::format("cannot write {}: {}", path_, strerror(error));
}

void SimLog::append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) {
  std::vector<std::byte> whole;
  for (std::span<const std::byte> piece : kept)
    whole.insert(whole.end(), piece.begin(), piece.end());
  std::string line;
  make(whole, line);
  append(line);
}

void SimLog::reopen() {
  int error = attached() ? open() : EIO;
  if (error != 0) last_error_ = fmt::format("cannot open {} again: {}", path_, strerror(error));
}

}  // namespace weir::io::sim
