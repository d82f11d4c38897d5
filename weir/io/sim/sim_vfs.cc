#include "weir/io/sim/sim_vfs.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "weir/base/assert.h"
#include "weir/io/sim/sim_disk.h"
#include "weir/io/sim/sqlite_file.h"

namespace weir::io::sim {
namespace {

constexpr int kPathBytesMax = 4096;
constexpr int64_t kJulianMsOfUnixEpoch = 210'866'760'000'000;

// SQLite's registry is the process's, so the numbers are too. Nothing but the name depends on them.
uint64_t next_number() {
  static std::atomic<uint64_t> next = 1;
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

SimVfs::SimVfs(SimDisk& disk, ProcessDisk& process)
    : disk_(disk), process_(process), name_(fmt::format("weir-sim-{}", next_number())) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = sizeof(SqliteFile::Slot);
  vfs_.mxPathname = kPathBytesMax;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  vfs_.xAccess = access;
  vfs_.xFullPathname = full_path;
  vfs_.xRandomness = randomness;
  vfs_.xSleep = sleep;
  vfs_.xCurrentTime = current_time;
  vfs_.xGetLastError = last_error;
  vfs_.xCurrentTimeInt64 = current_time_ms;
  int result = sqlite3_vfs_register(&vfs_, 0);
  WEIR_ASSERT(result == SQLITE_OK);
}

SimVfs::~SimVfs() {
  WEIR_ASSERT(open_files_ == 0);
  sqlite3_vfs_unregister(&vfs_);
}

int SimVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
  SimVfs& vfs_self = self(vfs);
  SimDisk& disk = vfs_self.disk_;
  file->pMethods = nullptr;
  bool creates = (flags & SQLITE_OPEN_CREATE) != 0;
  if (creates) disk.changing();
  if (!vfs_self.process_.alive()) return SQLITE_IOERR;
  std::shared_ptr<SimFile> opened;
  std::string name_to_sync;
  if (path) {
    bool exists = disk.tree_.find(path) != nullptr;
    if (exists && (flags & SQLITE_OPEN_EXCLUSIVE)) return SQLITE_CANTOPEN;
    int error = 0;
    opened = disk.open(path, creates ? std::optional<uint32_t>(0644) : std::nullopt, error);
    if (error != 0) return SQLITE_CANTOPEN;
    constexpr int kJournals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    if (creates && (flags & kJournals)) name_to_sync = path;
  } else {
    opened = disk.new_file();  // a temporary one, gone when it is closed
  }
  auto* slot = reinterpret_cast<SqliteFile::Slot*>(file);
  slot->file = new SqliteFile(disk, vfs_self.open_files_, std::move(opened), std::move(name_to_sync));
  vfs_self.process_.handles_.push_back(*slot->file);
  file->pMethods = &SqliteFile::kMethods;
  if (flags_out) *flags_out = flags;
  return SQLITE_OK;
}

int SimVfs::remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
  SimVfs& vfs_self = self(vfs);
  SimDisk& disk = vfs_self.disk_;
  disk.changing();
  if (!vfs_self.process_.alive() || disk.fails()) return SQLITE_IOERR_DELETE;
  if (!disk.tree_.find(path)) return SQLITE_IOERR_DELETE_NOENT;
  disk.tree_.remove(path);
  if (!sync_directory) return SQLITE_OK;
  disk.changing();
  if (!vfs_self.process_.alive() || disk.sync_directory(parent_path(path)) != 0)
    return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

int SimVfs::access(sqlite3_vfs* vfs, const char* path, int question, int* answer) {
  SimVfs& vfs_self = self(vfs);
  if (!vfs_self.process_.alive()) return SQLITE_IOERR_ACCESS;
  const SimNode* node = vfs_self.disk_.tree_.find(path);
  // As SQLite's own: an empty file is no journal.
  *answer = node && (question != SQLITE_ACCESS_EXISTS || node->directory() || node->file->size() > 0);
  return SQLITE_OK;
}

int SimVfs::full_path(sqlite3_vfs*, const char* path, int bytes, char* out) {
  std::string full = absolute_path(path);
  if (full.size() >= static_cast<size_t>(bytes)) return SQLITE_CANTOPEN;
  std::memcpy(out, full.c_str(), full.size() + 1);
  return SQLITE_OK;
}

int SimVfs::randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  for (int i = 0; i < bytes; ++i)
    out[i] = static_cast<char>(self(vfs).disk_.chance_.next());
  return bytes;
}

int SimVfs::current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) {
  *julian_ms = kJulianMsOfUnixEpoch + self(vfs).disk_.wall_ns() / 1'000'000;
  return SQLITE_OK;
}

int SimVfs::current_time(sqlite3_vfs* vfs, double* julian_days) {
  sqlite3_int64 ms = 0;
  current_time_ms(vfs, &ms);
  *julian_days = static_cast<double>(ms) / 86'400'000.0;
  return SQLITE_OK;
}

}  // namespace weir::io::sim
