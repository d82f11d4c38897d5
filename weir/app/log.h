// The operator's log of one core: one JSON object a line, no message content, no secrets. Lines are handed to
// the disk's LogWriter, which never blocks the loop; what a full disk loses is counted
// (weir_log_dropped_total).
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/settings.h"
#include "weir/io/loop.h"

namespace weir::app {

class Log {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  Log(io::Loop& loop, std::unique_ptr<io::LogWriter> writer, LogLevel level)
      : loop_(loop), writer_(std::move(writer)), level_(level) {}

  void write(LogLevel level, std::string_view message, Fields fields = {});
  void info(std::string_view message, Fields fields = {}) { write(LogLevel::kInfo, message, fields); }
  void warn(std::string_view message, Fields fields = {}) { write(LogLevel::kWarn, message, fields); }
  void error(std::string_view message, Fields fields = {}) { write(LogLevel::kError, message, fields); }

  void set_level(LogLevel level) { level_ = level; }
  io::LogWriter& writer() { return *writer_; }

 private:
  io::Loop& loop_;
  std::unique_ptr<io::LogWriter> writer_;
  LogLevel level_;
};

}  // namespace weir::app
