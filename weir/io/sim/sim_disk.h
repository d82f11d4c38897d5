// SimDisk: the disk of one simulated machine. It outlives processes and power cuts; a process reaches it
// through a mount. What a power cut does to files and names stand in sim_file.h and sim_tree.h; both are the
// real rules made as mean as POSIX allows. One thread; every draw comes from the universe's Chance, so the
// same calls give the same disk, byte by byte.
//
//   SimDisk disk("weir-0", chance, faults, wall);
//   std::unique_ptr<ProcessDisk> process = disk.mount();
//   ...
//   process->die();     // kill -9: files keep what was written
//   disk.power_cut();   // the machine stops: files keep what was synced, and by chance more
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/intrusive_list.h"
#include "weir/io/disk.h"
#include "weir/io/sim/sim_tree.h"
#include "weir/io/sim/universe.h"

namespace weir::io::sim {

class ProcessDisk;
class SimVfs;

/// Something that a process holds of a file: a mapping, a log, an open database. Ends with its process.
class DiskHandle : public ListNode {
 public:
  bool attached() const { return attached_; }

 protected:
  ~DiskHandle() = default;

 private:
  friend class SimDisk;
  /// From now on nothing done through the handle reaches the file.
  virtual void on_detach() = 0;
  bool attached_ = true;
};

class SimDisk {
 public:
  /// `chance` and `faults` are read at each use and outlive the disk.
  SimDisk(std::string name, Chance& chance, const Faults& faults, std::function<WallTime()> wall);
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;
  ~SimDisk();

  const std::string& name() const { return name_; }

  /// The disk as a new process sees it. The mount ends before the disk.
  std::unique_ptr<ProcessDisk> mount();
  /// Everything that is open anywhere is detached; what was not synced is kept, lost or torn. Mounts that are
  /// alive stay alive and see what is left.
  void power_cut();
  /// The disk takes no more than this many bytes in all.
  void limit(std::optional<uint64_t> bytes) { room_.limit = bytes; }
  uint64_t used_bytes() const { return room_.used; }

  // For tests and for crashes in the middle of something.

  /// Called before each change that reaches the disk (a write, a sync, a name), of whichever process: may let
  /// it die or cut the power.
  void on_change(std::function<void()> hook) { hook_ = std::move(hook); }
  /// A drive that lies: syncs succeed and do nothing.
  void ignore_syncs(bool ignore) { ignore_syncs_ = ignore; }
  /// Told what is logged to standard output.
  void on_output(std::function<void(std::string_view)> sink) { output_ = std::move(sink); }

 private:
  friend class ProcessDisk;
  friend class SimVfs;
  friend class SqliteFile;
  friend class SimLog;
  friend class SimMapping;

  static void detach_all(IntrusiveList<DiskHandle>& handles);

  std::shared_ptr<SimFile> new_file();
  /// The file at the path; made with `mode` when there is none and `mode` is given. `error` says why not.
  std::shared_ptr<SimFile> open(const std::string& path, std::optional<uint32_t> mode, int& error);
  void changing() {
    if (hook_) hook_();
  }
  bool fails() { return chance_.happens(faults_.disk_error); }
  /// 0 or EIO.
  int sync(SimFile& file);
  int sync_directory(const std::string& path);
  int64_t wall_ns() const { return wall_().unix_ns; }

  const std::string name_;
  Chance& chance_;
  const Faults& faults_;
  std::function<WallTime()> wall_;
  std::function<void()> hook_;
  std::function<void(std::string_view)> output_;
  bool ignore_syncs_ = false;
  uint64_t next_inode_ = 2;
  uint64_t next_holder_ = 1;
  Room room_;  // outlives the files
  SimTree tree_;
  IntrusiveList<ProcessDisk> mounts_;
};

/// One process's view. Handles (mappings, logs) may outlive it, as detached ones; databases opened through
/// its VFS may not.
class ProcessDisk final : public Disk, public ListNode {
 public:
  ~ProcessDisk() override;

  /// The process is gone: every operation fails and nothing reaches the disk any more. Memory that it had
  /// mapped stays readable and writable until it is given back, and is nobody's.
  void die();
  bool alive() const { return alive_; }

  Result<std::string> read_file(const std::string& path, size_t bytes_max) override;
  Result<void> write_file(const std::string& path, std::string_view bytes, uint32_t mode) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<void> make_directory(const std::string& path, uint32_t mode) override;
  Result<std::string> make_temporary_directory(const std::string& prefix) override;
  void remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<MappedFile>> map_file(const std::string& path, size_t bytes) override;
  Result<std::unique_ptr<LogWriter>> open_log(const std::string& path, size_t buffer_bytes_max) override;
  std::string sqlite_vfs() const override;

 private:
  friend class SimDisk;
  friend class SimVfs;
  explicit ProcessDisk(SimDisk& disk);

  SimDisk& disk_;
  bool alive_ = true;
  IntrusiveList<DiskHandle> handles_;
  std::unique_ptr<SimVfs> vfs_;
};

}  // namespace weir::io::sim
