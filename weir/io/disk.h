// Disk: files by path. Small files whole and at once (configuration, keys, models' headers); appended logs
// through a writer that never blocks the loop; mapped files for records that must survive this process;
// SQLite through a VFS by name. Errors are kIo with the system's reason and the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/io/task.h"

namespace weir::io {

/// Appends to one file from one loop. append() copies and returns at once; a worker writes. Bounded: what
/// does not fit in `buffer_bytes_max` or cannot be written (full disk) is dropped and counted, never waited
/// for.
class LogWriter {
 public:
  /// Appends the one line that `kept` stands for, newline included, to `text`. Runs on any thread, maybe when
  /// whoever gave it is gone.
  using MakeLine = void (*)(std::span<const std::byte> kept, std::string& text);

  virtual ~LogWriter() = default;  // flushes what it holds
  /// A newline is added when the line has none.
  virtual void append(std::string_view line) = 0;
  /// A line whose text the worker makes: the loop copies what it is made of, the pieces of `kept` one after
  /// the other.
  virtual void append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) = 0;
  virtual uint64_t dropped() const = 0;        // lines, since the start
  virtual std::string last_error() const = 0;  // empty: the last write was fine
  /// Opens the file again (after logrotate moved it).
  virtual void reopen() = 0;
};

/// A file of fixed size in memory. What is stored into bytes() stays in the file when this process ends, kill
/// -9 included; when the machine stops, what neither sync() nor write() had brought to the device may be lost
/// or torn. Held by one process at a time.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<std::byte> bytes() = 0;
  /// Blocks until everything stored before the call is on the device; run it on a worker (io::offload). May
  /// run while the loop stores on. Errors: kIo.
  virtual Result<void> sync() = 0;
  /// Blocks until `from` stands at `at` in bytes(), and on the device; run it on a worker. The way for a file
  /// that is written all the time: after a sync() the next store into each page stops its thread in the file
  /// system, sometimes for tens of milliseconds. Requires: nobody stores there meanwhile. Errors: kIo; then
  /// any part of it may be there.
  virtual Result<void> write(size_t at, std::span<const std::byte> from) = 0;
  /// Takes upon this thread, a worker's, what the next store into `part` of bytes() would have to wait for:
  /// the system writes dirty pages back when they are half a minute old, and each is write-protected then as
  /// by a sync(). Blocks. May do nothing.
  virtual void prepare(std::span<const std::byte> part) { (void)part; }
};

class Disk {
 public:
  virtual ~Disk() = default;
  /// Blocks. Requires a bound: longer files are an error.
  virtual Result<std::string> read_file(const std::string& path, size_t bytes_max) = 0;
  /// Blocks. Writes beside and renames over: readers see the old or the new file, whole. `mode` as chmod
  /// takes it.
  virtual Result<void> write_file(const std::string& path, std::string_view bytes, uint32_t mode) = 0;
  /// Size in bytes and modification time; kIo when there is none.
  struct FileInfo {
    uint64_t bytes = 0;
    int64_t modified_unix_ns = 0;
    uint64_t inode = 0;
    bool executable = false;
    bool directory = false;
    friend bool operator==(const FileInfo&, const FileInfo&) = default;
  };
  virtual Result<FileInfo> stat(const std::string& path) = 0;
  virtual Result<void> make_directory(const std::string& path, uint32_t mode) = 0;  // and its parents
  /// A new private directory (0700) under the system's place for them.
  virtual Result<std::string> make_temporary_directory(const std::string& prefix) = 0;
  virtual void remove(const std::string& path) = 0;  // file or tree; quiet when absent
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names in it, sorted
  /// Opens the file, or makes it `bytes` long, zeros, its room on the disk taken: a store into it never
  /// fails, nor does it wait for the disk as long as nobody calls sync(). Blocks. An existing file keeps its
  /// size. Errors: kIo; another process holds it ("in use by another process").
  virtual Result<std::unique_ptr<MappedFile>> map_file(const std::string& path, size_t bytes) = 0;
  /// Name of the SQLite VFS whose paths are this disk's; empty: SQLite's own.
  virtual std::string sqlite_vfs() const { return {}; }
  /// `path` "-" is standard output. Errors: kIo when it cannot be opened.
  virtual Result<std::unique_ptr<LogWriter>> open_log(const std::string& path, size_t buffer_bytes_max) = 0;
};

}  // namespace weir::io
