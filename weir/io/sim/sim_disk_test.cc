#include "weir/io/sim/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace weir::io::sim {
namespace {

constexpr size_t kSector = SimFile::kSectorBytes;

// A machine's disk at one seed, with a process on it.
struct Rig {
  explicit Rig(uint64_t seed = 1) : chance(seed), disk("machine", chance, faults, [this] { return wall; }) {
    process = disk.mount();
  }
  void kill() {
    process->die();
    process = disk.mount();
  }
  void cut() {
    process->die();
    disk.power_cut();
    process = disk.mount();
  }
  std::string content(const std::string& path) { return process->read_file(path, 1 << 24).value_or("?"); }

  Chance chance;
  Faults faults;
  WallTime wall{1'700'000'000'000'000'000};
  SimDisk disk;
  std::unique_ptr<ProcessDisk> process;
};

void fill(MappedFile& file, size_t at, size_t bytes, char with) {
  std::ranges::fill(file.bytes().subspan(at, bytes), static_cast<std::byte>(with));
}

TEST(SimPaths, AreAbsoluteAndPlain) {
  EXPECT_EQ(absolute_path("/a/./x//../b/"), "/a/b");
  EXPECT_EQ(absolute_path("a"), "/a");
  EXPECT_EQ(absolute_path("../.."), "/");
  EXPECT_EQ(absolute_path(""), "/");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
}

// --- the port, as io/net's disk answers it ---

TEST(SimDisk, WritesWholeFilesAndReadsThemBack) {
  Rig rig;
  std::string text(300'000, 'x');
  ASSERT_TRUE(rig.process->make_directory("/var/lib/weir", 0700));
  ASSERT_TRUE(rig.process->write_file("/var/lib/weir/a", text, 0640));
  EXPECT_TRUE(rig.process->read_file("/var/lib/weir/a", text.size()).value() == text);
  EXPECT_FALSE(rig.process->read_file("/var/lib/weir/a", text.size() - 1)) << "longer than its bound";
  ASSERT_TRUE(rig.process->write_file("/var/lib/weir/a", "", 0600));
  EXPECT_EQ(rig.content("/var/lib/weir/a"), "");
  EXPECT_EQ(rig.process->list("/var/lib/weir").value(), std::vector<std::string>{"a"});
}

TEST(SimDisk, ErrorsNameThePathAndTheReason) {
  Rig rig;
  ASSERT_TRUE(rig.process->write_file("/file", "x", 0600));
  Disk& disk = *rig.process;
  for (const auto& error :
       {disk.read_file("/no", 10).error(), disk.read_file("/tmp", 10).error(), disk.stat("/no").error(),
        disk.write_file("/no/file", "x", 0600).error(), disk.write_file("/tmp", "x", 0600).error(),
        disk.open_log("/no/log", 100).error(), disk.make_directory("/file/x", 0700).error(),
        disk.map_file("/no/ring", 4096).error(), disk.list("/file").error(), disk.list("/no").error()}) {
    EXPECT_EQ(error.code, ErrorCode::kIo);
    EXPECT_GT(error.message.size(), 20u);
  }
  EXPECT_NE(disk.stat("/no").error().message.find("/no: No such file"), std::string::npos);
  EXPECT_NE(disk.stat("/file/x").error().message.find("Not a directory"), std::string::npos);
  EXPECT_NE(disk.stat("/no/x/y").error().message.find("No such file"), std::string::npos);
}

TEST(SimDisk, TellsWhatAFileIs) {
  Rig rig;
  ASSERT_TRUE(rig.process->write_file("/program", "#!", 0755));
  Disk::FileInfo program = rig.process->stat("/program").value();
  EXPECT_EQ(program.bytes, 2u);
  EXPECT_TRUE(program.executable);
  EXPECT_EQ(program.modified_unix_ns, rig.wall.unix_ns);
  EXPECT_TRUE(rig.process->stat("/tmp").value().directory);
  ASSERT_TRUE(rig.process->write_file("/program", "##", 0644));
  EXPECT_NE(rig.process->stat("/program").value(), program) << "a rewritten file is seen to be another";
}

TEST(SimDisk, MakesListsAndRemovesTrees) {
  Rig rig;
  Disk& disk = *rig.process;
  ASSERT_TRUE(disk.make_directory("/a/b/c", 0700));
  ASSERT_TRUE(disk.make_directory("/a/b/c/", 0700));
  ASSERT_TRUE(disk.make_directory("/a-b", 0700));
  ASSERT_TRUE(disk.write_file("/a/b/c/file", "x", 0600));
  ASSERT_TRUE(disk.write_file("/a/z", "x", 0600));
  EXPECT_EQ(disk.list("/a").value(), (std::vector<std::string>{"b", "z"}));
  EXPECT_EQ(disk.list("/").value(), (std::vector<std::string>{"a", "a-b", "tmp"}));
  disk.remove("/a");
  EXPECT_FALSE(disk.stat("/a"));
  EXPECT_FALSE(disk.stat("/a/b/c/file"));
  EXPECT_TRUE(disk.stat("/a-b")) << "a name that only begins alike stays";
  disk.remove("/a");
  EXPECT_NE(disk.make_temporary_directory("weir").value(), disk.make_temporary_directory("weir").value());
}

// --- processes ---

TEST(SimDisk, AKilledProcessLeavesWhatItWrote) {
  Rig rig;
  auto log = rig.process->open_log("/log", 1000).value();
  auto ring = rig.process->map_file("/ring", 4096).value();
  log->append("one");
  log->append_later([](std::span<const std::byte> kept,
                       std::string& text) { text += std::to_string(kept.size()) + " bytes\n"; },
                    {std::as_bytes(std::span("later", 5)), std::as_bytes(std::span("on", 2))});
  fill(*ring, 0, 4096, 'a');
  rig.kill();
  EXPECT_EQ(rig.content("/log"), "one\n7 bytes\n");
  EXPECT_EQ(rig.content("/ring"), std::string(4096, 'a'));
}

TEST(SimDisk, ADeadProcessReachesNothing) {
  Rig rig;
  ASSERT_TRUE(rig.process->write_file("/file", "old", 0600));
  auto log = rig.process->open_log("/log", 1000).value();
  auto ring = rig.process->map_file("/ring", 4096).value();
  std::unique_ptr<ProcessDisk> dead = std::move(rig.process);
  dead->die();
  rig.process = rig.disk.mount();
  auto taken_up = rig.process->map_file("/ring", 4096).value();

  log->append("late");
  log->reopen();
  fill(*ring, 0, 4096, 'z');
  EXPECT_FALSE(ring->sync());
  EXPECT_FALSE(dead->write_file("/file", "new", 0600));
  EXPECT_FALSE(dead->read_file("/file", 10));
  EXPECT_FALSE(dead->make_directory("/d", 0700));
  EXPECT_FALSE(dead->make_temporary_directory("d"));
  EXPECT_FALSE(dead->map_file("/other", 4096));
  EXPECT_FALSE(dead->open_log("/other", 4096));
  EXPECT_FALSE(dead->open_log("-", 4096));
  EXPECT_FALSE(dead->list("/"));
  EXPECT_FALSE(dead->stat("/file"));
  dead->remove("/file");

  EXPECT_EQ(log->dropped(), 1u);
  EXPECT_EQ(rig.content("/log"), "");
  EXPECT_EQ(rig.content("/file"), "old");
  EXPECT_EQ(rig.content("/ring"), std::string(4096, '\0'));
  fill(*taken_up, 0, 1, 'b');
  ring.reset();
  dead.reset();
  EXPECT_EQ(rig.content("/ring")[0], 'b');
  EXPECT_FALSE(rig.process->map_file("/ring", 4096)) << "the living one still has it";
}

TEST(SimDisk, AMappedFileIsHeldByOne) {
  Rig rig;
  auto other = rig.disk.mount();
  auto ring = rig.process->map_file("/ring", 4096).value();
  for (Disk* disk : {static_cast<Disk*>(rig.process.get()), static_cast<Disk*>(other.get())}) {
    auto second = disk->map_file("/ring", 4096);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("/ring is in use by another process"), std::string::npos);
  }
  ring.reset();
  auto taken_up = other->map_file("/ring", 8192).value();
  EXPECT_EQ(taken_up->bytes().size(), 4096u) << "an existing file keeps its size";
  taken_up.reset();
}

TEST(SimDisk, ALogFollowsARotationAndStandardOutputIsTold) {
  Rig rig;
  std::string output;
  rig.disk.on_output([&](std::string_view line) { output += line; });
  auto log = rig.process->open_log("/log", 1000).value();
  log->append("before\n");
  rig.process->remove("/log");
  log->append("between");
  EXPECT_FALSE(rig.process->stat("/log"));
  log->reopen();
  log->append("after");
  EXPECT_EQ(rig.content("/log"), "after\n");
  log->append(std::string(1000, 'x'));
  EXPECT_EQ(log->dropped(), 1u) << "longer than the buffer";
  rig.process->open_log("-", 100).value()->append("to whoever listens");
  EXPECT_EQ(output, "to whoever listens\n");
}

// --- a full disk, a failing one ---

TEST(SimDisk, AFullDiskRefusesWhatGrows) {
  Rig rig;
  ASSERT_TRUE(rig.process->write_file("/file", std::string(1000, 'a'), 0600));
  auto log = rig.process->open_log("/log", 1000).value();
  auto ring = rig.process->map_file("/ring", 4096).value();
  EXPECT_EQ(rig.disk.used_bytes(), 5096u);
  rig.disk.limit(5100);
  log->append("abc");
  log->append("d");
  EXPECT_EQ(log->dropped(), 1u);
  EXPECT_NE(log->last_error().find("/log: No space left on device"), std::string::npos);
  auto written = rig.process->write_file("/file", "b", 0600);
  ASSERT_FALSE(written) << "the old file stays until the new one has its name";
  EXPECT_NE(written.error().message.find("No space left"), std::string::npos);
  EXPECT_FALSE(rig.process->map_file("/ring-1", 1));
  EXPECT_FALSE(rig.process->stat("/ring-1")) << "nothing is left of it";
  fill(*ring, 0, 4096, 'r');  // its room was taken when it was made
  EXPECT_TRUE(ring->sync());
  rig.process->remove("/file");
  EXPECT_EQ(rig.disk.used_bytes(), 4100u);
  log->append("d");
  EXPECT_EQ(log->last_error(), "");
  EXPECT_EQ(rig.content("/log"), "abc\nd\n");
  rig.disk.limit(std::nullopt);
  EXPECT_TRUE(rig.process->write_file("/file", std::string(10'000, 'a'), 0600));
  log.reset();
  rig.process->remove("/");
  ring.reset();
  EXPECT_EQ(rig.disk.used_bytes(), 0u);
}

TEST(SimDisk, AFailingDiskSaysSoAndKeepsTheOldFile) {
  Rig rig;
  ASSERT_TRUE(rig.process->write_file("/file", "old", 0600));
  auto log = rig.process->open_log("/log", 1000).value();
  auto ring = rig.process->map_file("/ring", 4096).value();
  rig.faults.disk_error = 1;
  auto written = rig.process->write_file("/file", "new", 0600);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("/file: Input/output error"), std::string::npos);
  EXPECT_FALSE(ring->sync());
  EXPECT_FALSE(rig.process->make_directory("/d", 0700));
  EXPECT_FALSE(rig.process->map_file("/ring-1", 4096));
  log->append("line");
  EXPECT_EQ(log->dropped(), 1u);
  EXPECT_EQ(rig.content("/file"), "old");
  rig.faults.disk_error = 0;
  EXPECT_TRUE(ring->sync());
}

// --- power cuts ---

TEST(SimDisk, WhatWasSyncedSurvivesEveryPowerCut) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rig rig(seed);
    ASSERT_TRUE(rig.process->make_directory("/data/rings", 0700));
    ASSERT_TRUE(rig.process->write_file("/data/file", "first", 0600));
    auto ring = rig.process->map_file("/data/rings/0", 16 * kSector).value();
    fill(*ring, 0, 16 * kSector, 'a');
    ASSERT_TRUE(ring->sync());
    fill(*ring, 8 * kSector, kSector, 'b');
    rig.cut();
    EXPECT_EQ(rig.content("/data/file"), "first");
    std::string left = rig.content("/data/rings/0");
    ASSERT_EQ(left.size(), 16 * kSector) << seed;
    for (size_t i = 0; i < left.size(); ++i)
      if (i / kSector != 8) ASSERT_EQ(left[i], 'a') << "seed " << seed << ", byte " << i;
    fill(*ring, 0, 16 * kSector, 'z');  // the dead hand
    EXPECT_EQ(rig.content("/data/rings/0"), left);
  }
}

TEST(SimDisk, WhatWasWrittenToAMappedFileIsThereAfterACut) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rig rig(seed);
    auto ring = rig.process->map_file("/ring", 8 * kSector).value();
    std::string text(2 * kSector, 'w');
    ASSERT_TRUE(ring->write(3 * kSector, std::as_bytes(std::span(text))));
    fill(*ring, 0, kSector, 'n');  // and a store that nobody synced
    rig.cut();
    EXPECT_EQ(rig.content("/ring").substr(3 * kSector, 2 * kSector), text);
    EXPECT_FALSE(ring->write(0, std::as_bytes(std::span(text)))) << "its process is dead";
  }
}

// Each fate of a sector is met: kept, lost, torn either way, garbage.
TEST(SimDisk, AnUnsyncedSectorMayBeKeptLostTornOrGarbage) {
  int kept = 0, lost = 0, front_new = 0, back_new = 0, garbage = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Rig rig(seed);
    auto ring = rig.process->map_file("/ring", 8 * kSector).value();
    fill(*ring, 0, 8 * kSector, 'o');
    ASSERT_TRUE(ring->sync());
    fill(*ring, 0, 8 * kSector, 'n');
    rig.cut();
    std::string left = rig.content("/ring");
    for (size_t at = 0; at < left.size(); at += kSector) {
      std::string_view sector = std::string_view(left).substr(at, kSector);
      size_t cut = sector.find_first_not_of(sector[0]);
      if (sector.find_first_not_of("on") != std::string_view::npos)
        ++garbage;
      else if (cut == std::string_view::npos)
        ++(sector[0] == 'n' ? kept : lost);
      else
        ++(sector[0] == 'n' ? front_new : back_new);
    }
  }
  EXPECT_GT(kept, 300);
  EXPECT_GT(lost, 300);
  EXPECT_GT(front_new, 30);
  EXPECT_GT(back_new, 30);
  EXPECT_GT(garbage, 5);
  EXPECT_LT(garbage, 200);
}

// A log is never synced: after a cut it is any beginning of itself, with holes and damage at its end.
TEST(SimDisk, AFileThatGrewMayLoseItsEndOrKeepItsLengthAsZeros) {
  std::set<std::string> kinds;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rig rig(seed);
    ASSERT_TRUE(rig.process->write_file("/log", "durable\n", 0600));
    auto log = rig.process->open_log("/log", 4096).value();
    for (int i = 0; i < 40; ++i)
      log->append(std::string(99, 'x'));
    rig.cut();
    std::string left = rig.content("/log");
    ASSERT_LE(left.size(), 4008u);
    ASSERT_GE(left.size(), 8u);
    if (left.size() == 8) kinds.insert("lost");
    if (left.size() == 4008 && !left.contains('\0')) kinds.insert("kept");
    if (left.size() > 1024 && left.contains(std::string(kSector, '\0'))) kinds.insert("hole");
    if (left.size() > 8 && left.size() < 4008) kinds.insert("shorter");
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"hole", "kept", "lost", "shorter"}));
}

TEST(SimDisk, ANameIsDurableOnceItsDirectoryIsSynced) {
  int vanished = 0, stayed = 0, came_back = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rig rig(seed);
    ASSERT_TRUE(rig.process->write_file("/removed", "x", 0600));
    auto log = rig.process->open_log("/log", 1000).value();  // made, its directory not synced
    rig.process->remove("/removed");
    rig.cut();
    ++(rig.process->stat("/log") ? stayed : vanished);
    came_back += rig.process->stat("/removed").has_value();
    uint64_t used = rig.disk.used_bytes();
    EXPECT_EQ(used, rig.process->stat("/removed") ? 1u : 0u);
  }
  EXPECT_GT(stayed, 20);
  EXPECT_GT(vanished, 20);
  EXPECT_GT(came_back, 20);
}

// The whole of write_file, cut at each of its steps: there is the old file or the new one.
TEST(SimDisk, ARewrittenFileIsTheOldOrTheNewOne) {
  for (int step = 0; step < 4; ++step) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Rig rig(seed);
      ASSERT_TRUE(rig.process->write_file("/file", std::string(3000, 'o'), 0600));
      int left = step;
      rig.disk.on_change([&] {
        if (left-- == 0) rig.process->die();
      });
      bool written = rig.process->write_file("/file", std::string(2000, 'n'), 0600).has_value();
      rig.disk.on_change(nullptr);
      EXPECT_EQ(written, step == 3);
      rig.cut();
      std::string content = rig.content("/file");
      seen.insert(content);
      ASSERT_TRUE(content == std::string(3000, 'o') || content == std::string(2000, 'n')) << seed;
    }
    EXPECT_EQ(seen.size(), step == 2 ? 2u : 1u) << "only between name and sync both are possible";
  }
}

TEST(SimDisk, AFailedSyncKeepsApartFromThePlatterWhatItDidNotWrite) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rig rig(seed);
    auto ring = rig.process->map_file("/ring", 8 * kSector).value();
    fill(*ring, 0, 8 * kSector, 'a');
    rig.faults.disk_error = 1;
    ASSERT_FALSE(ring->sync());
    rig.faults.disk_error = 0;
    if (seed % 2 == 0) ASSERT_TRUE(ring->sync());
    rig.cut();
    bool whole = rig.content("/ring") == std::string(8 * kSector, 'a');
    if (seed % 2 == 0) EXPECT_TRUE(whole) << "the next sync writes the rest";
    lost |= !whole;
  }
  EXPECT_TRUE(lost);
}

// A mount that only looks (and what it has open) is cut off like any other, but lives on.
TEST(SimDisk, APowerCutDetachesWhatIsOpenAnywhere) {
  Rig rig;
  auto observer = rig.disk.mount();
  auto ring = observer->map_file("/ring", 4096).value();
  rig.cut();
  EXPECT_FALSE(ring->sync());
  EXPECT_TRUE(observer->alive());
  EXPECT_TRUE(observer->map_file("/ring", 4096));
}

TEST(SimDisk, TheSameSeedGivesTheSameDisk) {
  auto story = [](uint64_t seed) {
    Rig rig(seed);
    auto ring = rig.process->map_file("/ring", 64 * kSector).value();
    auto log = rig.process->open_log("/log", 1000).value();
    for (int i = 0; i < 50; ++i) {
      fill(*ring, rig.chance.below(63 * kSector), 700 % kSector, static_cast<char>('a' + i % 26));
      log->append("line");
      if (i == 20) EXPECT_TRUE(ring->sync());
    }
    rig.cut();
    return rig.content("/ring") + rig.content("/log");
  };
  EXPECT_EQ(story(7), story(7));
  EXPECT_NE(story(7), story(8));
}

}  // namespace
}  // namespace weir::io::sim
