#include "weir/io/net/file_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "weir/io/net/fd.h"
#include "weir/io/net/file_log.h"
#include "weir/io/net/net_loop.h"

namespace weir::io::net {
namespace {

Unexpected io_error(std::string_view what, const std::string& path, int error) {
  return fail_internal(ErrorCode::kIo, fmt::format("cannot {} {}: {}", what, path, strerror(error)));
}

// Makes the names in the directory of `path` durable; 0 or why not.
int sync_directory_of(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  Fd fd(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && ::fsync(fd.get()) == 0 ? 0 : errno;
}

// Zeros over a new file's blocks: the first store into one that was only set aside waits for the file system,
// up to 30 ms were seen (ext4). In large parts: the page cache keeps large pages then, and a store faults
// once in some hundred kilobytes.
int write_zeros(int fd, size_t bytes) {
  const std::string zeros(std::min<size_t>(bytes, 1 << 20), '\0');
  for (size_t at = 0; at < bytes;) {
    ssize_t n = ::pwrite(fd, zeros.data(), std::min(zeros.size(), bytes - at), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    at += static_cast<size_t>(n);
  }
  return 0;
}

class MappedRegion final : public MappedFile {
 public:
  MappedRegion(Fd fd, std::string path, std::span<std::byte> bytes)
      : fd_(std::move(fd)), path_(std::move(path)), bytes_(bytes) {}
  ~MappedRegion() override { ::munmap(bytes_.data(), bytes_.size()); }
  std::span<std::byte> bytes() override { return bytes_; }
  // Pages dirtied through the mapping belong to the file: fdatasync writes them too.
  Result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return io_error("sync", path_, errno);
    return {};
  }
  // One call that writes and syncs just this part: a third of the CPU time of storing into the mapping and
  // fdatasync, which write-protects pages and faults them in again (0.2 ms against 0.6 for 300 KB).
  Result<void> write(size_t at, std::span<const std::byte> from) override {
    while (!from.empty()) {
      ::iovec part{const_cast<std::byte*>(from.data()), from.size()};
      ssize_t n = ::pwritev2(fd_.get(), &part, 1, static_cast<off_t>(at), RWF_DSYNC);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error("write", path_, errno);
      at += static_cast<size_t>(n);
      from = from.subspan(static_cast<size_t>(n));
    }
    return {};
  }
  void prepare(std::span<const std::byte> part) override {
    constexpr size_t kPage = 4096;
    size_t begin = static_cast<size_t>(part.data() - bytes_.data()) / kPage * kPage;
    size_t end = static_cast<size_t>(part.data() - bytes_.data()) + part.size();
    // Older systems do not know it: stores fault then, as they would.
    (void)::madvise(bytes_.data() + begin, end - begin, MADV_POPULATE_WRITE);
  }

 private:
  Fd fd_;
  const std::string path_;
  const std::span<std::byte> bytes_;
};

}  // namespace

Result<std::string> FileDisk::read_file(const std::string& path, size_t bytes_max) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return io_error("read", path, errno);
  std::string bytes;
  for (;;) {
    size_t at = bytes.size();
    if (at > bytes_max)
      return fail_internal(ErrorCode::kIo,
                           fmt::format("cannot read {}: it is longer than {} bytes", path, bytes_max));
    bytes.resize(at + std::min<size_t>(64 * 1024, bytes_max - at + 1));
    ssize_t n = ::read(fd.get(), &bytes[at], bytes.size() - at);
    if (n < 0 && errno != EINTR) return io_error("read", path, errno);
    bytes.resize(at + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0) return bytes;
  }
}

// Beside, synced, renamed over, and the directory synced: after a power cut there is the old or the new file.
Result<void> FileDisk::write_file(const std::string& path, std::string_view bytes, uint32_t mode) {
  std::string beside = path + ".XXXXXX";
  Fd fd(::mkostemp(beside.data(), O_CLOEXEC));
  if (!fd) return io_error("write", path, errno);
  errno = 0;
  bool written = ::fchmod(fd.get(), static_cast<mode_t>(mode)) == 0 && write_all(fd.get(), bytes) == 0 &&
                 ::fsync(fd.get()) == 0 && ::rename(beside.c_str(), path.c_str()) == 0;
  if (!written) {
    int error = errno;
    ::unlink(beside.c_str());
    return io_error("write", path, error);
  }
  if (int error = sync_directory_of(path); error != 0) return io_error("sync the directory of", path, error);
  return {};
}

Result<Disk::FileInfo> FileDisk::stat(const std::string& path) {
  struct ::stat info;
  if (::stat(path.c_str(), &info) != 0) return io_error("stat", path, errno);
  FileInfo result;
  result.bytes = static_cast<uint64_t>(info.st_size);
  result.modified_unix_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  result.inode = info.st_ino;
  result.directory = S_ISDIR(info.st_mode);
  result.executable = !result.directory && ::access(path.c_str(), X_OK) == 0;
  return result;
}

Result<void> FileDisk::make_directory(const std::string& path, uint32_t mode) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), static_cast<mode_t>(mode)) != 0) {
      int error = errno;
      struct ::stat info;
      if (error != EEXIST || ::stat(part.c_str(), &info) != 0)
        return io_error("make the directory", path, error);
      if (!S_ISDIR(info.st_mode)) return io_error("make the directory", path, ENOTDIR);
    } else if (int error = sync_directory_of(part);
               error != 0) {  // what is synced into it must be found again
      return io_error("sync the directory of", part, error);
    }
    if (at == std::string::npos) return {};
  }
}

Result<std::string> FileDisk::make_temporary_directory(const std::string& prefix) {
  const char* place = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/{}XXXXXX", place && *place ? place : "/tmp", prefix);
  if (!::mkdtemp(path.data())) return io_error("make the directory", path, errno);
  return path;
}

void FileDisk::remove(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

Result<std::vector<std::string>> FileDisk::list(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) return io_error("list", directory, error.value());
  std::ranges::sort(names);
  return names;
}

Result<std::unique_ptr<MappedFile>> FileDisk::map_file(const std::string& path, size_t bytes) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return io_error("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return io_error("lock", path, errno);
    return fail_internal(ErrorCode::kIo, path + " is in use by another process");
  }
  struct ::stat info;
  if (::fstat(fd.get(), &info) != 0) return io_error("stat", path, errno);
  if (info.st_size == 0) {
    // Its blocks are taken now: a store into a hole of a full disk would be SIGBUS.
    int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
    if (error == 0 && ::fsync(fd.get()) != 0) error = errno;
    if (error == 0) error = write_zeros(fd.get(), bytes);  // after the sync: it holds zeros either way
    if (error != 0) {
      ::unlink(path.c_str());
      return io_error("make", path, error);
    }
    if (error = sync_directory_of(path); error != 0) return io_error("sync the directory of", path, error);
  } else {
    bytes = static_cast<size_t>(info.st_size);
  }
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return io_error("map", path, errno);
  return std::make_unique<MappedRegion>(std::move(fd), path, std::span(static_cast<std::byte*>(at), bytes));
}

Result<std::unique_ptr<LogWriter>> FileDisk::open_log(const std::string& path, size_t buffer_bytes_max) {
  return FileLog::open(loop_, path, buffer_bytes_max);
}

}  // namespace weir::io::net
