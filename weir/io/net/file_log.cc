#include "weir/io/net/file_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "weir/io/net/fd.h"
#include "weir/io/net/net_loop.h"

namespace weir::io::net {
namespace {

constexpr size_t kPipeBytes =
    4096;  // PIPE_BUF: what a pipe takes whole and without waiting once poll() says so
constexpr int kPipePatienceMs = 1000;
constexpr size_t kLineBytes = 8 * 1024;                           // as long as lines usually are at most
constexpr size_t kRoomBytes = FileLog::kFlushBytes + kLineBytes;  // a line more than what is flushed
constexpr size_t kKeptBytesMax = 4 * FileLog::kFlushBytes;
constexpr size_t kWriteBytes = 256 * 1024;  // of text with one call

// An entry of a buffer: this, then `bytes` of a text with its newline, or of what its line is made of.
struct EntryHead {
  LogWriter::MakeLine make;  // null: a text
  uint64_t bytes;
};

// Takes the first of `entries` and appends its text.
void append_first(std::string_view& entries, std::string& text) {
  EntryHead head;
  std::memcpy(&head, entries.data(), sizeof head);
  std::string_view kept = entries.substr(sizeof head, head.bytes);
  if (head.make)
    head.make(std::as_bytes(std::span(kept)), text);
  else
    text += kept;
  entries.remove_prefix(sizeof head + head.bytes);
}

uint64_t lines(std::string_view text) {
  auto ends = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  return ends + (!text.empty() && text.back() != '\n' ? 1 : 0);
}

}  // namespace

// The worker's half. `mutex` guards all of it but what write() touches, which only one thread does at a time.
struct FileLog::File {
  std::mutex mutex;
  std::condition_variable idle;
  std::string handed;   // entries
  std::string written;  // empty again, with its memory
  bool reopen = false;
  bool writing = false;
  std::string last_error;
  std::atomic<uint64_t> dropped = 0;
  FileLog* owner = nullptr;  // loop only; null once it is gone

  std::string path;
  Fd fd;
  bool regular = true;
  bool torn = false;  // the last write stopped inside a line
  std::string made;   // the text of entries being written

  int open();
  void work() {
    std::unique_lock lock(mutex);
    work(lock);
  }
  void work(std::unique_lock<std::mutex>& lock);
  std::string write_entries(std::string_view entries);
  std::string write(std::string_view text);
};

int FileLog::File::open() {
  Fd opened(path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                        : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!opened) return errno;
  struct stat info;
  regular = ::fstat(opened.get(), &info) == 0 && S_ISREG(info.st_mode);
  fd = std::move(opened);
  torn = false;
  return 0;
}

// Returns the reason of a failure, or nothing. What comes after a failure is not tried.
std::string FileLog::File::write_entries(std::string_view entries) {
  std::string failure;
  made.reserve(std::min(kWriteBytes, 4 * entries.size()) + kLineBytes);
  while (!entries.empty()) {
    made.clear();
    while (!entries.empty() && made.size() < kWriteBytes)
      append_first(entries, made);
    if (failure.empty())
      failure = write(made);
    else
      dropped.fetch_add(lines(made), std::memory_order_relaxed);
  }
  return failure;
}

std::string FileLog::File::write(std::string_view text) {
  int error = 0;
  if (torn) {
    std::string_view newline = "\n";
    error = write_all(fd.get(), newline);
    torn = error != 0;
  }
  size_t before = text.size();
  while (error == 0 && !text.empty()) {
    std::string_view chunk = text;
    if (!regular) {
      pollfd ready{fd.get(), POLLOUT, 0};
      if (::poll(&ready, 1, kPipePatienceMs) == 0) {
        error = EAGAIN;
        break;
      }
      chunk = chunk.substr(0, kPipeBytes);
      if (size_t end = chunk.rfind('\n'); end != std::string_view::npos) chunk = chunk.substr(0, end + 1);
    }
    size_t size = chunk.size();
    error = write_all(fd.get(), chunk);
    text.remove_prefix(size - chunk.size());
  }
  if (error == 0) return {};
  if (text.size() != before) torn = text.data()[-1] != '\n';
  dropped.fetch_add(lines(text), std::memory_order_relaxed);
  return fmt::format("cannot write {}: {}", path, error == EAGAIN ? "its reader is stuck" : strerror(error));
}

// On a worker, or in the destructor of the log; takes what was handed over, if it is still there.
void FileLog::File::work(std::unique_lock<std::mutex>& lock) {
  if (handed.empty() && !reopen) return;
  std::string entries = std::exchange(handed, {});
  bool again = std::exchange(reopen, false);
  writing = true;
  lock.unlock();
  std::string failure;
  if (again)
    if (int code = open()) failure = fmt::format("cannot open {} again: {}", path, strerror(code));
  if (std::string reason = write_entries(entries); !reason.empty()) failure = reason;
  entries.clear();
  made.clear();
  for (std::string* room : {&entries, &made})
    if (room->capacity() > kKeptBytesMax) room->shrink_to_fit();
  lock.lock();
  written = std::move(entries);
  last_error = failure;
  writing = false;
  idle.notify_all();
}

Result<std::unique_ptr<LogWriter>> FileLog::open(NetLoop& loop, const std::string& path,
                                                 size_t buffer_bytes_max) {
  auto file = std::make_shared<File>();
  file->path = path;
  if (int code = file->open())
    return fail_internal(ErrorCode::kIo, fmt::format("cannot open {}: {}", path, strerror(code)));
  return std::unique_ptr<LogWriter>(new FileLog(loop, std::move(file), buffer_bytes_max));
}

FileLog::FileLog(NetLoop& loop, std::shared_ptr<File> file, size_t buffer_bytes_max)
    : loop_(loop), file_(std::move(file)), bytes_max_(buffer_bytes_max) {
  file_->owner = this;
}

// The worker may not have begun (all are busy, or the pool has ended): then this thread does its work.
FileLog::~FileLog() {
  file_->owner = nullptr;
  std::unique_lock lock(file_->mutex);
  file_->idle.wait(lock, [this] { return !file_->writing; });
  file_->handed += filling_;
  file_->work(lock);
}

void FileLog::append(std::string_view line) {
  bool newline = line.empty() || line.back() != '\n';
  add_entry(nullptr, {std::as_bytes(std::span(line)), std::as_bytes(std::span("\n", newline ? 1 : 0))});
}

void FileLog::append_later(MakeLine make, std::initializer_list<std::span<const std::byte>> kept) {
  add_entry(make, kept);
}

void FileLog::add_entry(MakeLine make, std::initializer_list<std::span<const std::byte>> pieces) {
  EntryHead head{make, 0};
  for (std::span<const std::byte> piece : pieces)
    head.bytes += piece.size();
  size_t before = filling_.size(), after = before + sizeof head + head.bytes;
  if (handed_bytes_ + after > bytes_max_) {
    file_->dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (before == 0) filling_.reserve(kRoomBytes);
  filling_.resize_and_overwrite(after, [&](char* room, size_t) {
    char* at = room + before;
    std::memcpy(at, &head, sizeof head);
    at += sizeof head;
    for (std::span<const std::byte> piece : pieces) {
      if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    }
    return after;
  });
  if (filling_.size() >= kFlushBytes)
    flush();
  else if (!armed() && !handed_)
    loop_.arm(*this, kFlushAfter);
}

void FileLog::flush() {
  if (handed_ || (filling_.empty() && !reopen_)) return;
  disarm();
  handed_ = true;
  handed_bytes_ = filling_.size();
  {
    std::lock_guard lock(file_->mutex);
    file_->handed = std::exchange(filling_, std::exchange(spare_, {}));
    file_->reopen = std::exchange(reopen_, false);
  }
  loop_.offload([file = file_] { file->work(); },
                [file = file_] {
                  FileLog* log = file->owner;
                  if (!log) return;
                  log->handed_ = false;
                  log->handed_bytes_ = 0;
                  {
                    std::lock_guard lock(file->mutex);
                    log->spare_ = std::exchange(file->written, {});
                  }
                  if (log->filling_.size() >= kFlushBytes || log->reopen_)
                    log->flush();
                  else if (!log->filling_.empty())
                    log->loop_.arm(*log, kFlushAfter);
                });
}

uint64_t FileLog::dropped() const {
  return file_->dropped.load(std::memory_order_relaxed);
}

std::string FileLog::last_error() const {
  std::lock_guard lock(file_->mutex);
  return file_->last_error;
}

void FileLog::reopen() {
  reopen_ = true;
  flush();
}

}  // namespace weir::io::net
