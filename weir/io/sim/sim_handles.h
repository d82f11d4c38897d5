// What a process holds of a simulated disk's files: mapped memory and logs. Both outlive their process as
// things that reach nothing.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "weir/io/sim/sim_disk.h"

namespace weir::io::sim {

class SimMapping final : public MappedFile, public DiskHandle {
 public:
  SimMapping(SimDisk& disk, std::shared_ptr<SimFile> file, std::string path);
  ~SimMapping() override;
  std::span<std::byte> bytes() override { return *memory_; }
  Result<void> sync() override;
  Result<void> write(size_t at, std::span<const std::byte> from) override;

 private:
  void on_detach() override { file_->detach_mapping(); }
  SimDisk& disk_;
  std::shared_ptr<SimFile> file_;
  std::shared_ptr<SimFile::Bytes> memory_;
  const std::string path_;
};

/// Writes each line at once: the real one's worker is at most 100 ms behind, and only a process that ends
/// without a word could show the difference.
class SimLog final : public LogWriter, public DiskHandle {
 public:
  SimLog(SimDisk& disk, std::string path, size_t buffer_bytes_max);
  /// 0 or why not.
  int open();

  void append(std::string_view line) override;
  void append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) override;
  uint64_t dropped() const override { return dropped_; }
  std::string last_error() const override { return last_error_; }
  void reopen() override;

 private:
  void on_detach() override { file_.reset(); }
  int write(std::string_view line);

  SimDisk& disk_;
  std::shared_ptr<SimFile> file_;  // null: standard output, or detached
  const std::string path_;
  const size_t bytes_max_;
  uint64_t dropped_ = 0;
  std::string last_error_;
};

}  // namespace weir::io::sim
