// FileLog: the LogWriter of one loop and one file. The loop fills one buffer while a worker writes the other,
// and they change places, so appending is a copy and nothing is allocated; a buffer is handed over when it
// holds 128 KiB or its first line is 100 ms old. It holds entries: texts, and what lines are made of, which
// the worker makes. Every write is whole lines to a file opened for appending, so the loops of a process may
// share the file. A pipe nobody reads from is given up after a second a buffer
// rather than waited for.
#pragma once

#include <memory>
#include <string>

#include "weir/io/disk.h"
#include "weir/io/timer.h"

namespace weir::io::net {

class NetLoop;

class FileLog final : public LogWriter, Timer {
 public:
  static constexpr size_t kFlushBytes = 128 * 1024;
  static constexpr Duration kFlushAfter = milliseconds(100);

  static Result<std::unique_ptr<LogWriter>> open(NetLoop& loop, const std::string& path,
                                                 size_t buffer_bytes_max);
  /// Blocks until what it holds is written or lost.
  ~FileLog() override;

  void append(std::string_view line) override;
  void append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) override;
  uint64_t dropped() const override;
  std::string last_error() const override;
  void reopen() override;

 private:
  struct File;
  FileLog(NetLoop& loop, std::shared_ptr<File> file, size_t buffer_bytes_max);
  void on_timer() override { flush(); }
  void add_entry(MakeLine make, std::initializer_list<std::span<const std::byte>> pieces);
  void flush();

  NetLoop& loop_;
  std::shared_ptr<File> file_;  // shared with the worker that writes
  const size_t bytes_max_;
  std::string filling_;      // entries
  std::string spare_;        // empty, with its memory; while nothing is handed over
  size_t handed_bytes_ = 0;  // with the worker
  bool handed_ = false;
  bool reopen_ = false;
};

}  // namespace weir::io::net
