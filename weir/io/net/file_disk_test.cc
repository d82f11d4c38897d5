#include "weir/io/net/file_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "weir/io/net/file_log.h"
#include "weir/io/net/test_loop.h"
#include "weir/io/net/test_network.h"

namespace weir::io::net {
namespace {

class FileDiskTest : public ::testing::Test {
 protected:
  void SetUp() override { directory_ = disk_.make_temporary_directory("weir-disk-test").value(); }
  void TearDown() override { disk_.remove(directory_); }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string content(const std::string& name) const {
    return disk_.read_file(path(name), 1 << 26).value_or("?");
  }

  TestLoop host_;
  Disk& disk_ = host_.loop().disk();
  std::string directory_;
};

TEST_F(FileDiskTest, WritesWholeFilesAndReadsThemBack) {
  std::string text = long_text(300'000);
  ASSERT_TRUE(disk_.write_file(path("a"), text, 0640));
  EXPECT_TRUE(disk_.read_file(path("a"), text.size()).value() == text);
  struct stat info;
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  ASSERT_TRUE(disk_.write_file(path("a"), "", 0600));
  EXPECT_EQ(disk_.read_file(path("a"), 0).value(), "");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1)
      << "nothing is left beside";
}

TEST_F(FileDiskTest, KeepsTheBoundOfARead) {
  ASSERT_TRUE(disk_.write_file(path("a"), "12345", 0600));
  EXPECT_EQ(disk_.read_file(path("a"), 5).value(), "12345");
  auto longer = disk_.read_file(path("a"), 4);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::kIo);
  EXPECT_FALSE(disk_.read_file("/dev/zero", 1000)) << "endless files end at the bound";
}

TEST_F(FileDiskTest, ErrorsNameThePathAndTheReason) {
  for (const auto& error :
       {disk_.read_file(path("no"), 10).error(), disk_.read_file(directory_, 10).error(),
        disk_.write_file(path("no/file"), "x", 0600).error(), disk_.stat(path("no")).error(),
        disk_.open_log(path("no/log"), 100).error(), disk_.make_directory("/dev/null/x", 0700).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kIo);
    EXPECT_GT(error.message.size(), 20u);
  }
  EXPECT_NE(disk_.stat(path("no")).error().message.find(path("no") + ": No such file"), std::string::npos);
}

TEST_F(FileDiskTest, TellsWhatAFileIs) {
  ASSERT_TRUE(disk_.write_file(path("program"), "#!", 0755));
  auto program = disk_.stat(path("program")).value();
  EXPECT_EQ(program.bytes, 2u);
  EXPECT_TRUE(program.executable);
  EXPECT_FALSE(program.directory);
  EXPECT_GT(program.modified_unix_ns, 1'600'000'000'000'000'000);
  auto directory = disk_.stat(directory_).value();
  EXPECT_TRUE(directory.directory);
  EXPECT_FALSE(directory.executable);
  ASSERT_TRUE(disk_.write_file(path("program"), "##", 0644));
  EXPECT_NE(disk_.stat(path("program")).value(), program) << "a rewritten file is seen to be another";
}

TEST_F(FileDiskTest, AMappedFileHoldsWhatWasStoredAndWhatWasWritten) {
  constexpr size_t kBytes = 3 << 20;
  {
    auto file = disk_.map_file(path("ring"), kBytes).value();
    ASSERT_EQ(file->bytes().size(), kBytes);
    EXPECT_TRUE(std::ranges::all_of(file->bytes(), [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_FALSE(disk_.map_file(path("ring"), kBytes)) << "one holds it";
    file->bytes()[0] = std::byte{'s'};
    std::string text = long_text(100'000);
    ASSERT_TRUE(file->write(2'000'000, std::as_bytes(std::span(text))));
    EXPECT_EQ(std::memcmp(&file->bytes()[2'000'000], text.data(), text.size()), 0);
    ASSERT_TRUE(file->write(kBytes - 1, std::as_bytes(std::span("e", 1))));
    EXPECT_TRUE(file->write(0, {}));
    file->prepare(file->bytes().subspan(5000, 100'000));  // changes nothing
    file->prepare(file->bytes());
    ASSERT_TRUE(file->sync());
  }
  auto file = disk_.map_file(path("ring"), 10).value();
  ASSERT_EQ(file->bytes().size(), kBytes) << "it keeps its size";
  EXPECT_EQ(file->bytes()[0], std::byte{'s'});
  EXPECT_EQ(file->bytes()[kBytes - 1], std::byte{'e'});
  EXPECT_EQ(content("ring").substr(2'000'000, 100'000), long_text(100'000));
}

TEST_F(FileDiskTest, MakesAndRemovesTrees) {
  ASSERT_TRUE(disk_.make_directory(path("a/b/c"), 0700));
  ASSERT_TRUE(disk_.make_directory(path("a/b/c/"), 0700));
  ASSERT_TRUE(disk_.write_file(path("a/b/c/file"), "x", 0600));
  EXPECT_FALSE(disk_.make_directory(path("a/b/c/file"), 0700));
  disk_.remove(path("a"));
  EXPECT_FALSE(disk_.stat(path("a")));
  disk_.remove(path("a"));
  std::string one = disk_.make_temporary_directory("weir").value();
  std::string two = disk_.make_temporary_directory("weir").value();
  EXPECT_NE(one, two);
  struct stat info;
  ASSERT_EQ(::stat(one.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  disk_.remove(one);
  disk_.remove(two);
}

// --- logs ---

Task<void> until_written(Loop& loop, std::string file, size_t bytes) {
  Cancel cancel;
  for (;;) {
    auto info = loop.disk().stat(file);
    if (info && info->bytes >= bytes) co_return;
    co_await sleep(loop, milliseconds(5), cancel);
  }
}

TEST_F(FileDiskTest, ALogIsWrittenByItselfAndWhenItEnds) {
  auto log = disk_.open_log(path("log"), 1 << 20).value();
  log->append("one");
  log->append("two\n");
  log->append("");
  host_.run(until_written(host_.loop(), path("log"), 9));
  EXPECT_EQ(content("log"), "one\ntwo\n\n");
  log->append("three");  // the loop runs no more: the destructor writes
  EXPECT_EQ(content("log"), "one\ntwo\n\n");
  EXPECT_EQ(log->dropped(), 0u);
  EXPECT_EQ(log->last_error(), "");
  log.reset();
  EXPECT_EQ(content("log"), "one\ntwo\n\nthree\n");
  disk_.open_log(path("log"), 1000).value()->append("four");
  EXPECT_EQ(content("log"), "one\ntwo\n\nthree\nfour\n");
}

Task<void> append_many(Loop& loop, LogWriter& log, int lines) {
  for (int i = 0; i < lines; ++i) {
    log.append(std::string(100, static_cast<char>('a' + i % 26)));
    if (i % 64 == 0) co_await turns(loop, 1);
  }
}

TEST_F(FileDiskTest, ALogKeepsEveryLineInOrder) {
  constexpr int kLines = 20'000;
  auto log = disk_.open_log(path("log"), 1 << 26).value();
  host_.run(append_many(host_.loop(), *log, kLines));
  log.reset();
  std::string text = content("log");
  ASSERT_EQ(text.size(), kLines * 101u);
  for (int i = 0; i < kLines; ++i) {
    ASSERT_EQ(text[i * 101], 'a' + i % 26);
    ASSERT_EQ(text[i * 101 + 100], '\n');
  }
}

Task<void> until_error(Loop& loop, LogWriter& log) {
  Cancel cancel;
  while (log.last_error().empty())
    co_await sleep(loop, milliseconds(5), cancel);
}

// "<kept>": a line that is made of what was kept of it.
void bracketed(std::span<const std::byte> kept, std::string& text) {
  text += '<';
  text.append(reinterpret_cast<const char*>(kept.data()), kept.size());
  text += ">\n";
}

Task<void> append_both_ways(Loop& loop, LogWriter& log, int lines) {
  for (int i = 0; i < lines; ++i) {
    std::string number = std::to_string(i);
    if (i % 3 == 0)
      log.append(number);
    else
      log.append_later(bracketed, {std::as_bytes(std::span("no ", 3)), {}, std::as_bytes(std::span(number))});
    number = "gone";
    if (i % 64 == 0) co_await turns(loop, 1);
  }
}

TEST_F(FileDiskTest, ALogMakesLinesLaterAndKeepsTheirOrder) {
  constexpr int kLines = 50'000;  // more than one write, and more than one hand-over
  auto log = disk_.open_log(path("log"), 1 << 26).value();
  host_.run(append_both_ways(host_.loop(), *log, kLines));
  EXPECT_EQ(log->dropped(), 0u);
  log.reset();
  std::string expected;
  for (int i = 0; i < kLines; ++i)
    expected += i % 3 == 0 ? std::to_string(i) + "\n" : "<no " + std::to_string(i) + ">\n";
  EXPECT_TRUE(content("log") == expected);
}

TEST_F(FileDiskTest, ALineThatIsMadeLaterIsDroppedAndCountedAsAnyOther) {
  std::string kept(50, 'k');
  auto log = disk_.open_log(path("log"), 200).value();
  for (int i = 0; i < 5; ++i)
    log->append_later(bracketed, {std::as_bytes(std::span(kept))});
  EXPECT_EQ(log->dropped(), 2u);  // 66 bytes each
  log.reset();
  EXPECT_EQ(content("log"), "<" + kept + ">\n<" + kept + ">\n<" + kept + ">\n");
  auto full = disk_.open_log("/dev/full", 1 << 20).value();
  for (int i = 0; i < 5; ++i)
    full->append_later(bracketed, {std::as_bytes(std::span(kept))});
  host_.run(until_error(host_.loop(), *full));
  EXPECT_EQ(full->dropped(), 5u);
}

TEST_F(FileDiskTest, ALogDropsAndCountsWhatDoesNotFit) {
  auto log = disk_.open_log(path("log"), 260).value();  // 16 bytes beside each line
  for (int i = 0; i < 20; ++i)
    log->append("123456789");  // ten bytes with its newline
  log->append(std::string(1000, 'x'));
  EXPECT_EQ(log->dropped(), 11u);
  log.reset();
  EXPECT_EQ(content("log").size(), 100u);
}

TEST_F(FileDiskTest, AFullDiskDropsCountsAndTells) {
  auto log = disk_.open_log("/dev/full", 1 << 20).value();
  log->append("one");
  log->append("two");
  host_.run(until_error(host_.loop(), *log));
  EXPECT_EQ(log->dropped(), 2u);
  EXPECT_NE(log->last_error().find("No space left"), std::string::npos);
  EXPECT_NE(log->last_error().find("/dev/full"), std::string::npos);
}

Task<void> rotate(Loop& loop, LogWriter& log, std::string file) {
  log.append("before");
  co_await until_written(loop, file, 7);
  std::filesystem::rename(file, file + ".1");
  log.append("between");
  log.reopen();
  co_await until_written(loop, file, 8);
  log.append("after");
}

TEST_F(FileDiskTest, ALogFollowsARotation) {
  auto log = disk_.open_log(path("log"), 1 << 20).value();
  host_.run(rotate(host_.loop(), *log, path("log")));
  log.reset();
  EXPECT_EQ(content("log.1"), "before\n");
  EXPECT_EQ(content("log"), "between\nafter\n");
}

TEST_F(FileDiskTest, AFailedReopenKeepsTheOldFile) {
  ASSERT_TRUE(disk_.make_directory(path("logs"), 0700));
  auto log = disk_.open_log(path("logs/log"), 1 << 20).value();
  std::filesystem::rename(path("logs"), path("moved"));
  log->append("kept");
  log->reopen();
  host_.run(until_error(host_.loop(), *log));
  EXPECT_EQ(content("moved/log"), "kept\n");
  EXPECT_NE(log->last_error().find("No such file"), std::string::npos);
}

TEST_F(FileDiskTest, LoopsShareAFileWithoutMixingLines) {
  TestLoop two(2);
  std::unique_ptr<LogWriter> logs[2];
  for (int i = 0; i < 2; ++i)
    logs[i] = two.loop(i).disk().open_log(path("log"), 1 << 24).value();
  std::atomic<int> running = 2;
  for (int i = 0; i < 2; ++i)
    two.loop(i).post([&, i] {
      for (int n = 0; n < 5000; ++n)
        logs[i]->append(std::string(120, static_cast<char>('a' + i)));
      if (--running == 0) two.runtime().stop_all();
    });
  two.runtime().run();
  for (auto& log : logs)
    log.reset();
  std::string text = content("log");
  ASSERT_EQ(text.size(), 10'000u * 121);
  for (size_t at = 0; at < text.size(); at += 121)
    ASSERT_EQ(text.substr(at, 121), std::string(120, text[at]) + "\n");
}

TEST_F(FileDiskTest, DashIsStandardOutput) {
  int saved = ::dup(STDOUT_FILENO);
  int file = ::open(path("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ::dup2(file, STDOUT_FILENO);
  {
    auto log = disk_.open_log("-", 1000).value();
    log->append("to whoever listens");
  }
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(file);
  EXPECT_EQ(content("out"), "to whoever listens\n");
}

Task<void> until_dropped(Loop& loop, LogWriter& log, uint64_t lines) {
  Cancel cancel;
  while (log.dropped() < lines || log.last_error().empty())  // counted before it is said why
    co_await sleep(loop, milliseconds(5), cancel);
}

// Whole lines reach a pipe; once it is full and nobody reads, the rest is dropped and counted.
TEST_F(FileDiskTest, APipeNobodyReadsIsNotWaitedForLong) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  uint64_t dropped = 0;
  {
    auto log = disk_.open_log(path("pipe"), 1 << 20).value();
    for (int i = 0; i < 2000; ++i)
      log->append(std::string(99, 'x'));
    // A pipe holds 64 KiB; the worker gives up on the other 1344 lines.
    host_.run(until_dropped(host_.loop(), *log, 1344));
    dropped = log->dropped();
    EXPECT_NE(log->last_error().find("stuck"), std::string::npos) << log->last_error();
  }
  std::string got(1 << 20, 0);
  size_t bytes = 0;
  for (ssize_t n; (n = ::read(reader, &got[bytes], got.size() - bytes)) > 0;)
    bytes += static_cast<size_t>(n);
  ::close(reader);
  EXPECT_GT(bytes, 0u);
  EXPECT_EQ(bytes % 100, 0u);
  EXPECT_EQ(bytes / 100 + dropped, 2000u);
}

}  // namespace
}  // namespace weir::io::net
