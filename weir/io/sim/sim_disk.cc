#include "weir/io/sim/sim_disk.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "weir/base/assert.h"
#include "weir/io/sim/sim_handles.h"
#include "weir/io/sim/sim_vfs.h"

namespace weir::io::sim {
namespace {

Unexpected io_error(std::string_view what, const std::string& path, int error) {
  return fail_internal(ErrorCode::kIo, fmt::format("cannot {} {}: {}", what, path, strerror(error)));
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

constexpr std::string_view kTemporary = "/tmp";

}  // namespace

SimDisk::SimDisk(std::string name, Chance& chance, const Faults& faults, std::function<WallTime()> wall)
    : name_(std::move(name)), chance_(chance), faults_(faults), wall_(std::move(wall)) {
  tree_.set(std::string(kTemporary), {nullptr, 01777});
  tree_.sync("/");
}

SimDisk::~SimDisk() {
  WEIR_ASSERT(mounts_.empty());
}

std::unique_ptr<ProcessDisk> SimDisk::mount() {
  auto process = std::unique_ptr<ProcessDisk>(new ProcessDisk(*this));
  mounts_.push_back(*process);
  return process;
}

void SimDisk::power_cut() {
  IntrusiveList<ProcessDisk> cut;
  cut.splice(mounts_);
  while (!cut.empty()) {
    ProcessDisk& process = cut.pop_front();
    mounts_.push_back(process);
    detach_all(process.handles_);
  }
  tree_.power_cut(chance_);
}

void SimDisk::detach_all(IntrusiveList<DiskHandle>& handles) {
  while (!handles.empty()) {
    DiskHandle& handle = handles.pop_front();
    handle.attached_ = false;
    handle.on_detach();
  }
}

std::shared_ptr<SimFile> SimDisk::new_file() {
  auto file = std::make_shared<SimFile>(room_, next_inode_++);
  file->modified_unix_ns = wall_ns();
  return file;
}

std::shared_ptr<SimFile> SimDisk::open(const std::string& path, std::optional<uint32_t> mode, int& error) {
  error = 0;
  if (const SimNode* node = tree_.find(path)) {
    if (node->directory()) error = EISDIR;
    return node->file;
  }
  error = tree_.parent_error(path);
  if (error == 0 && !mode) error = ENOENT;
  if (error != 0) return nullptr;
  auto file = new_file();
  tree_.set(path, {file, *mode});
  return file;
}

int SimDisk::sync(SimFile& file) {
  if (fails()) {
    file.sync_partly(chance_);
    return EIO;
  }
  if (!ignore_syncs_) file.sync();
  return 0;
}

int SimDisk::sync_directory(const std::string& path) {
  if (fails()) return EIO;
  if (!ignore_syncs_) tree_.sync(path);
  return 0;
}

ProcessDisk::ProcessDisk(SimDisk& disk) : disk_(disk), vfs_(std::make_unique<SimVfs>(disk, *this)) {}

ProcessDisk::~ProcessDisk() {
  die();
}

void ProcessDisk::die() {
  alive_ = false;
  SimDisk::detach_all(handles_);
}

std::string ProcessDisk::sqlite_vfs() const {
  return vfs_->name();
}

Result<std::string> ProcessDisk::read_file(const std::string& path, size_t bytes_max) {
  int error = alive_ ? 0 : EIO;
  std::shared_ptr<SimFile> file;
  if (error == 0) file = disk_.open(absolute_path(path), std::nullopt, error);
  if (error != 0) return io_error("read", path, error);
  if (file->size() > bytes_max)
    return fail_internal(ErrorCode::kIo,
                         fmt::format("cannot read {}: it is longer than {} bytes", path, bytes_max));
  std::string bytes(file->size(), 0);
  file->read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// As the real one: a new file, synced, takes the name, and the directory is synced.
Result<void> ProcessDisk::write_file(const std::string& path, std::string_view bytes, uint32_t mode) {
  std::string at = absolute_path(path);
  disk_.changing();
  int error = alive_ ? disk_.tree_.parent_error(at) : EIO;
  if (error == 0 && disk_.fails()) error = EIO;
  auto file = disk_.new_file();
  if (error == 0 && !file->write(0, as_bytes(bytes))) error = ENOSPC;
  if (error == 0) error = disk_.sync(*file);
  if (error == 0) {
    const SimNode* before = disk_.tree_.find(at);
    if (before && before->directory()) error = EISDIR;
  }
  if (error != 0) return io_error("write", path, error);
  disk_.changing();
  if (!alive_) return io_error("write", path, EIO);
  disk_.tree_.set(at, {std::move(file), mode});
  disk_.changing();
  error = alive_ ? disk_.sync_directory(parent_path(at)) : EIO;
  if (error != 0) return io_error("sync the directory of", path, error);
  return {};
}

Result<Disk::FileInfo> ProcessDisk::stat(const std::string& path) {
  std::string at = absolute_path(path);
  const SimNode* node = alive_ ? disk_.tree_.find(at) : nullptr;
  if (!node) {
    int error = alive_ ? disk_.tree_.parent_error(at) : EIO;
    return io_error("stat", path, error == 0 ? ENOENT : error);
  }
  FileInfo info;
  info.directory = node->directory();
  if (info.directory) return info;
  info.bytes = node->file->size();
  info.modified_unix_ns = node->file->modified_unix_ns;
  info.inode = node->file->inode();
  info.executable = (node->mode & 0111) != 0;
  return info;
}

Result<void> ProcessDisk::make_directory(const std::string& path, uint32_t mode) {
  std::string at = absolute_path(path);
  for (size_t end = at.find('/', 1);; end = at.find('/', end + 1)) {
    std::string part = at.substr(0, end);
    disk_.changing();
    int error = alive_ ? 0 : EIO;
    const SimNode* node = disk_.tree_.find(part);
    if (error == 0 && node && !node->directory()) error = ENOTDIR;
    if (error == 0 && !node) {
      if (disk_.fails()) return io_error("make the directory", path, EIO);
      disk_.tree_.set(part, {nullptr, mode});
      error = disk_.sync_directory(parent_path(part));
    }
    if (error != 0) return io_error("make the directory", path, error);
    if (end == std::string::npos) return {};
  }
}

Result<std::string> ProcessDisk::make_temporary_directory(const std::string& prefix) {
  std::string path;
  do {
    path = fmt::format("{}/{}{:06x}", kTemporary, prefix, disk_.chance_.below(1 << 24));
  } while (disk_.tree_.find(path));
  TRY_VOID(make_directory(path, 0700));
  return path;
}

void ProcessDisk::remove(const std::string& path) {
  disk_.changing();
  if (alive_) disk_.tree_.remove(absolute_path(path));
}

Result<std::vector<std::string>> ProcessDisk::list(const std::string& directory) {
  std::string at = absolute_path(directory);
  const SimNode* node = alive_ ? disk_.tree_.find(at) : nullptr;
  if (!node || !node->directory())
    return io_error("list", directory, !alive_ ? EIO : node ? ENOTDIR : ENOENT);
  return disk_.tree_.list(at);
}

Result<std::unique_ptr<MappedFile>> ProcessDisk::map_file(const std::string& path, size_t bytes) {
  std::string at = absolute_path(path);
  disk_.changing();
  int error = alive_ ? 0 : EIO;
  std::shared_ptr<SimFile> file;
  if (error == 0) file = disk_.open(at, 0600, error);
  if (error != 0) return io_error("open", path, error);
  if (file->mapped()) return fail_internal(ErrorCode::kIo, path + " is in use by another process");
  if (file->size() == 0) {
    error = disk_.fails() ? EIO : file->resize(bytes) ? 0 : ENOSPC;
    if (error != 0) {
      disk_.tree_.remove(at);
      return io_error("make", path, error);
    }
    disk_.changing();
    error = alive_ ? disk_.sync(*file) : EIO;
    if (error == 0) error = disk_.sync_directory(parent_path(at));
    if (error != 0) return io_error("sync", path, error);
  }
  auto mapping = std::make_unique<SimMapping>(disk_, std::move(file), path);
  handles_.push_back(*mapping);
  return mapping;
}

Result<std::unique_ptr<LogWriter>> ProcessDisk::open_log(const std::string& path, size_t buffer_bytes_max) {
  auto log = std::make_unique<SimLog>(disk_, path, buffer_bytes_max);
  int error = alive_ ? log->open() : EIO;
  if (error != 0) return io_error("open", path, error);
  handles_.push_back(*log);
  return log;
}

}  // namespace weir::io::sim
