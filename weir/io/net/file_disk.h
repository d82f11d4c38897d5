// FileDisk: the Disk of one real loop. Used on its loop.
#pragma once

#include "weir/io/disk.h"

namespace weir::io::net {

class NetLoop;

class FileDisk final : public Disk {
 public:
  explicit FileDisk(NetLoop& loop) : loop_(loop) {}
  Result<std::string> read_file(const std::string& path, size_t bytes_max) override;
  Result<void> write_file(const std::string& path, std::string_view bytes, uint32_t mode) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<void> make_directory(const std::string& path, uint32_t mode) override;
  Result<std::string> make_temporary_directory(const std::string& prefix) override;
  void remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<MappedFile>> map_file(const std::string& path, size_t bytes) override;
  Result<std::unique_ptr<LogWriter>> open_log(const std::string& path, size_t buffer_bytes_max) override;

 private:
  NetLoop& loop_;
};

}  // namespace weir::io::net
