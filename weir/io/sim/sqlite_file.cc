#include "weir/io/sim/sqlite_file.h"

#include <algorithm>
#include <cstring>

namespace weir::io::sim {

SqliteFile::SqliteFile(SimDisk& disk, size_t& open_files, std::shared_ptr<SimFile> file,
                       std::string name_to_sync)
    : disk_(disk),
      open_files_(open_files),
      file_(std::move(file)),
      name_to_sync_(std::move(name_to_sync)),
      holder_(disk.next_holder_++) {
  ++open_files_;
}

SqliteFile::~SqliteFile() {
  let_go();
  --open_files_;
}

// What others could see of it: its locks and its part in the index. The index's memory stays while index_
// holds it, so a dead connection may still look into it.
void SqliteFile::let_go() {
  file_->locks.lower(holder_, 0);
  if (!index_) return;
  index_->leave(user_);
  if (index_->unused() && file_->index == index_) file_->index.reset();
}

void SqliteFile::become_writer() {
  int seed = static_cast<int>(disk_.chance_.next() >> 33) | 1;  // 0 would mean: the real one
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, nullptr);
}

int SqliteFile::read(void* into, int bytes, sqlite3_int64 at) {
  if (!attached()) return SQLITE_IOERR_READ;
  std::span out(static_cast<std::byte*>(into), static_cast<size_t>(bytes));
  size_t n = file_->read(static_cast<uint64_t>(at), out);
  std::ranges::fill(out.subspan(n), std::byte{0});
  return n == out.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int SqliteFile::write(const void* bytes, int size, sqlite3_int64 at) {
  if (attached()) disk_.changing();
  if (!attached()) return SQLITE_IOERR_WRITE;
  std::span from(static_cast<const std::byte*>(bytes), static_cast<size_t>(size));
  bool fails = disk_.fails();
  if (fails) from = from.first(disk_.chance_.below(from.size() + 1));
  if (!file_->write(static_cast<uint64_t>(at), from)) return SQLITE_FULL;
  file_->modified_unix_ns = disk_.wall_ns();
  return fails ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

int SqliteFile::truncate(sqlite3_int64 size) {
  if (attached()) disk_.changing();
  if (!attached() || disk_.fails()) return SQLITE_IOERR_TRUNCATE;
  return file_->resize(static_cast<uint64_t>(size)) ? SQLITE_OK : SQLITE_FULL;
}

// The first sync of a new journal or WAL makes its name durable too, as SQLite's own VFS does it.
int SqliteFile::sync() {
  if (attached()) disk_.changing();
  if (!attached() || disk_.sync(*file_) != 0) return SQLITE_IOERR_FSYNC;
  if (name_to_sync_.empty()) return SQLITE_OK;
  disk_.changing();
  if (!attached() || disk_.sync_directory(parent_path(name_to_sync_)) != 0) return SQLITE_IOERR_DIR_FSYNC;
  name_to_sync_.clear();
  return SQLITE_OK;
}

int SqliteFile::lock(int level) {
  if (!attached()) return SQLITE_IOERR_LOCK;
  if (!file_->locks.raise(holder_, level)) return SQLITE_BUSY;
  if (level >= SQLITE_LOCK_RESERVED) become_writer();
  return SQLITE_OK;
}

int SqliteFile::check_reserved(int* answer) {
  if (!attached()) return SQLITE_IOERR_CHECKRESERVEDLOCK;
  *answer = file_->locks.reserved();
  return SQLITE_OK;
}

int SqliteFile::map_index(int region, int bytes, bool extend, volatile void** out) {
  *out = nullptr;
  if (!attached()) return SQLITE_IOERR_SHMMAP;
  if (!index_) {
    if (!file_->index) file_->index = std::make_shared<SharedIndex>();
    index_ = file_->index;
    index_->join(user_);
  }
  *out = index_->region(static_cast<size_t>(region), static_cast<size_t>(bytes), extend);
  return SQLITE_OK;
}

int SqliteFile::lock_index(int first, int count, int flags) {
  if (!attached() || !index_) return SQLITE_IOERR_SHMLOCK;
  uint32_t mask = ((1u << count) - 1) << first;
  bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if (flags & SQLITE_SHM_UNLOCK) {
    SharedIndex::unlock(user_, mask, exclusive);
    return SQLITE_OK;
  }
  if (!index_->lock(user_, mask, exclusive)) return SQLITE_BUSY;
  if (exclusive) become_writer();
  return SQLITE_OK;
}

void SqliteFile::unmap_index() {
  if (!index_) return;
  index_->leave(user_);
  if (index_->unused() && file_->index == index_) file_->index.reset();
  index_.reset();
}

// Aggregate of C functions in the order of the struct in sqlite3.h.
const sqlite3_io_methods SqliteFile::kMethods = {
    .iVersion = 2,
    .xClose =
        [](sqlite3_file* f) {
          delete reinterpret_cast<Slot*>(f)->file;
          return SQLITE_OK;
        },
    .xRead = [](sqlite3_file* f, void* into, int bytes,
                sqlite3_int64 at) { return self(f).read(into, bytes, at); },
    .xWrite = [](sqlite3_file* f, const void* bytes, int size,
                 sqlite3_int64 at) { return self(f).write(bytes, size, at); },
    .xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return self(f).truncate(size); },
    .xSync = [](sqlite3_file* f, int) { return self(f).sync(); },
    .xFileSize =
        [](sqlite3_file* f, sqlite3_int64* size) {
          *size = static_cast<sqlite3_int64>(self(f).file_->size());
          return self(f).attached() ? SQLITE_OK : SQLITE_IOERR_FSTAT;
        },
    .xLock = [](sqlite3_file* f, int level) { return self(f).lock(level); },
    .xUnlock =
        [](sqlite3_file* f, int level) {
          if (self(f).attached()) self(f).file_->locks.lower(self(f).holder_, level);
          return SQLITE_OK;
        },
    .xCheckReservedLock = [](sqlite3_file* f, int* answer) { return self(f).check_reserved(answer); },
    .xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; },
    .xSectorSize = [](sqlite3_file*) { return static_cast<int>(SimFile::kSectorBytes); },
    .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },
    .xShmMap = [](sqlite3_file* f, int region, int bytes, int extend,
                  volatile void** out) { return self(f).map_index(region, bytes, extend != 0, out); },
    .xShmLock = [](sqlite3_file* f, int first, int count,
                   int flags) { return self(f).lock_index(first, count, flags); },
    .xShmBarrier = [](sqlite3_file*) {},
    .xShmUnmap =
        [](sqlite3_file* f, int) {
          self(f).unmap_index();
          return SQLITE_OK;
        },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace weir::io::sim
