// ConfigWatch: follows a configuration file for a running gateway: by request (SIGHUP) at once, by the file's
// size, time and inode every second. A file that does not load leaves everything as it is. On loop 0; the
// gateway outlives it.
#pragma once

#include <string>

#include "weir/app/gateway.h"

namespace weir::app {

class ConfigWatch final : io::Timer {
 public:
  ConfigWatch(io::Loop& loop, Gateway& gateway, std::string path);
  void reload();

 private:
  void on_timer() override;
  io::Disk::FileInfo look() { return loop_.disk().stat(path_).value_or(io::Disk::FileInfo{}); }

  io::Loop& loop_;
  Gateway& gateway_;
  const std::string path_;
  io::Disk::FileInfo seen_;
};

}  // namespace weir::app
