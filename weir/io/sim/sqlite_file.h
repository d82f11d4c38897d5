// SqliteFile: one file that one SQLite connection has open on a simulated disk (sqlite3_io_methods, version
// 2: with the WAL's shared index, without memory mapping).
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>

#include "weir/io/sim/sim_disk.h"

namespace weir::io::sim {

class SqliteFile final : public DiskHandle {
 public:
  /// What SQLite keeps; it is cast to and from sqlite3_file.
  struct Slot {
    sqlite3_file base;
    SqliteFile* file;
  };

  /// `name_to_sync`: the path whose directory the first sync makes durable too; empty: none.
  SqliteFile(SimDisk& disk, size_t& open_files, std::shared_ptr<SimFile> file, std::string name_to_sync);
  ~SqliteFile();

  static const sqlite3_io_methods kMethods;

 private:
  void on_detach() override { let_go(); }
  void let_go();
  void become_writer();

  int read(void* into, int bytes, sqlite3_int64 at);
  int write(const void* bytes, int size, sqlite3_int64 at);
  int truncate(sqlite3_int64 size);
  int sync();
  int lock(int level);
  int check_reserved(int* answer);
  int map_index(int region, int bytes, bool extend, volatile void** out);
  int lock_index(int first, int count, int flags);
  void unmap_index();

  static SqliteFile& self(sqlite3_file* file) { return *reinterpret_cast<Slot*>(file)->file; }

  SimDisk& disk_;
  size_t& open_files_;
  std::shared_ptr<SimFile> file_;
  std::string name_to_sync_;
  const uint64_t holder_;
  std::shared_ptr<SharedIndex> index_;
  SharedIndex::User user_;
};

}  // namespace weir::io::sim
