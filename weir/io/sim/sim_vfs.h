// SimVfs: SQLite's files on a simulated disk: one VFS, registered under a name of its own, for each mount of
// a process. Locks and the WAL's index are memory and die with the process; a file system call fails after
// that. No promise of SQLite's device characteristics is made (no atomic writes, no safe overwrite beside
// what is written), because the disk keeps none; sectors are those of the disk.
//
// SQLite draws the salts of its WAL and the nonces of its journals from one generator of the whole process.
// It is set from the universe's Chance whenever a connection becomes a writer, so that file bytes depend on
// the seed only, also with several universes in one thread.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <string>

namespace weir::io::sim {

class ProcessDisk;
class SimDisk;

class SimVfs {
 public:
  /// Both outlive it.
  SimVfs(SimDisk& disk, ProcessDisk& process);
  SimVfs(const SimVfs&) = delete;
  SimVfs& operator=(const SimVfs&) = delete;
  /// Requires: every connection opened through it is closed.
  ~SimVfs();

  const std::string& name() const { return name_; }

 private:
  friend class SqliteFile;

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory);
  static int access(sqlite3_vfs* vfs, const char* path, int question, int* answer);
  static int full_path(sqlite3_vfs* vfs, const char* path, int bytes, char* out);
  static int randomness(sqlite3_vfs* vfs, int bytes, char* out);
  static int sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
  static int current_time(sqlite3_vfs* vfs, double* julian_days);
  static int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* julian_ms);
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }
  static SimVfs& self(sqlite3_vfs* vfs) { return *static_cast<SimVfs*>(vfs->pAppData); }

  SimDisk& disk_;
  ProcessDisk& process_;
  const std::string name_;
  sqlite3_vfs vfs_{};
  size_t open_files_ = 0;
};

}  // namespace weir::io::sim
