// SimFile: one file of the simulated disk, twice: its bytes now (what every process of a running machine
// reads: the page cache) and its durable bytes (what the platter holds). A write changes the first and marks
// its sectors dirty; sync() copies dirty sectors to the second; power_cut() decides by chance, sector by
// sector, what of the dirty ones had reached the platter.
//
// What the model says of real disks: writes reach the platter in any order; a sector of 512 bytes that is
// being written may hold the old bytes, the new ones, a part of each, or (rarely) neither. A file that grew
// may keep its new length without its new bytes, which are zeros then. What it leaves out: bytes that rot at
// rest, and kernels that forget dirty pages after a failed sync (here they stay dirty and the next sync
// writes them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "weir/io/sim/sim_locks.h"
#include "weir/io/sim/universe.h"

namespace weir::io::sim {

/// The room of one disk. What files that have a name hold counts, whatever of it is durable.
struct Room {
  uint64_t used = 0;
  std::optional<uint64_t> limit;

  bool fits(uint64_t more) const { return more == 0 || !limit || used + more <= *limit; }
};

class SimFile {
 public:
  static constexpr size_t kSectorBytes = 512;
  using Bytes = std::vector<std::byte>;

  /// `room` outlives the file.
  SimFile(Room& room, uint64_t inode);
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;
  ~SimFile();

  uint64_t inode() const { return inode_; }
  uint64_t size() const { return now_->size(); }
  std::span<const std::byte> bytes() const { return *now_; }

  /// False: the disk has no room for it, nothing was written. A gap before `at` is zeros.
  [[nodiscard]] bool write(uint64_t at, std::span<const std::byte> bytes);
  [[nodiscard]] bool resize(uint64_t size);
  /// What is read at a place: how many bytes there were.
  size_t read(uint64_t at, std::span<std::byte> into) const;

  /// Everything up to now becomes durable.
  void sync();
  /// As sync() that fails on its way: some sectors become durable, the rest stays dirty.
  void sync_partly(Chance& chance);
  /// The machine stopped: what is left is now both the bytes and the durable bytes.
  void power_cut(Chance& chance);

  /// Memory that is the file: stores need not be told. Stays valid while it is held. Requires: not mapped.
  std::shared_ptr<Bytes> map();
  void unmap();
  /// The mapping's memory becomes its holder's own; the file keeps what is in it now.
  void detach_mapping();
  bool mapped() const { return mapped_; }

  /// A file without a name takes no room.
  void set_named(bool named);

  int64_t modified_unix_ns = 0;
  FileLocks locks;                     // SQLite's
  std::shared_ptr<SharedIndex> index;  // SQLite's -shm, while somebody has it open

 private:
  void touch(uint64_t begin, uint64_t end);
  void find_stores();
  void make_durable(uint64_t sector);
  std::byte durable_at(uint64_t at) const;

  Room& room_;
  const uint64_t inode_;
  bool named_ = true;
  bool mapped_ = false;
  std::shared_ptr<Bytes> now_;
  Bytes durable_;
  std::set<uint64_t> dirty_;  // sectors written since they were durable, by number
};

}  // namespace weir::io::sim
