#include "weir/app/data_directory.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "weir/pipeline/record/ring_file.h"

namespace weir::app {
namespace {

constexpr size_t kReplicaBytesMax = 64;
constexpr size_t kRingBytesMin = telemetry::EventRing::kHeaderBytes + telemetry::EventRing::kSlotBytes;

Result<std::string> kept_replica(const std::string& path, io::Loop& loop) {
  if (loop.disk().stat(path)) {
    TRY(std::string name, loop.disk().read_file(path, kReplicaBytesMax));
    while (name.ends_with('\n'))
      name.pop_back();
    if (!name.empty()) return name;
  }
  std::array<unsigned char, 8> bytes{};
  loop.random().secret(bytes);
  std::string name = "weir-";
  for (unsigned char b : bytes)
    name += fmt::format("{:02x}", b);
  TRY_VOID(loop.disk().write_file(path, name + "\n", 0600));
  return name;
}

Result<DataDirectory> open_at(const std::string& path, io::Loop& loop) {
  DataDirectory data;
  data.path = path;
  data.events = path + "/events";
  TRY_VOID(loop.disk().make_directory(data.events, 0700));
  TRY(data.replica, kept_replica(path + "/replica", loop));
  return data;
}

}  // namespace

Result<DataDirectory> open_data_directory(const std::string& path, io::Loop& loop) {
  Result<DataDirectory> data = open_at(path, loop);
  if (!data) return fail_internal(ErrorCode::kIo, "data.directory: " + data.error().message);
  return data;
}

std::vector<store::EventDrainer::FormerRing> former_rings(const DataDirectory& data, int cores,
                                                          io::Disk& disk,
                                                          const store::EventDrainer::Say& say) {
  std::vector<store::EventDrainer::FormerRing> rings;
  for (const std::string& file : disk.list(data.events).value_or(std::vector<std::string>())) {
    if (!file.starts_with("ring-")) continue;
    std::string name = file.substr(5), path = data.events + "/" + file;
    int core = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), core);
    if (error != std::errc() || end != name.data() + name.size() || core < cores) continue;
    auto opened = pipeline::open_ring(disk, path, kRingBytesMin);
    if (opened)
      rings.push_back({name,
                       {pipeline::RingFile::saved_path(path), path},
                       std::move(opened->memory),
                       std::move(opened->ring)});
    else
      say(true, fmt::format("its events can not be read: {}", opened.error().message));
  }
  return rings;
}

}  // namespace weir::app
