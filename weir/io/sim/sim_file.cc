#include "weir/io/sim/sim_file.h"

#include <algorithm>
#include <cstring>

#include "weir/base/assert.h"

namespace weir::io::sim {
namespace {

constexpr uint64_t kSector = SimFile::kSectorBytes;

// How a whole file fared: independent sectors alone would hardly ever lose all of a large transaction.
enum class Fate : uint8_t { kLost, kKept, kMixed };

Fate draw_fate(Chance& chance) {
  uint64_t n = chance.below(8);
  return n < 2 ? Fate::kLost : n < 3 ? Fate::kKept : Fate::kMixed;
}

}  // namespace

SimFile::SimFile(Room& room, uint64_t inode) : room_(room), inode_(inode), now_(std::make_shared<Bytes>()) {}

SimFile::~SimFile() {
  set_named(false);
}

void SimFile::set_named(bool named) {
  if (named == named_) return;
  named_ = named;
  if (named)
    room_.used += size();
  else
    room_.used -= size();
}

void SimFile::touch(uint64_t begin, uint64_t end) {
  for (uint64_t sector = begin / kSector; sector * kSector < end; ++sector)
    dirty_.insert(sector);
}

bool SimFile::write(uint64_t at, std::span<const std::byte> bytes) {
  if (bytes.empty()) return true;
  if (at + bytes.size() > size() && !resize(at + bytes.size())) return false;
  std::ranges::copy(bytes, now_->begin() + static_cast<ptrdiff_t>(at));
  touch(at, at + bytes.size());
  return true;
}

bool SimFile::resize(uint64_t size_now) {
  uint64_t before = size();
  if (size_now == before) return true;
  WEIR_ASSERT(!mapped_);
  if (named_ && size_now > before) {
    if (!room_.fits(size_now - before)) return false;
    room_.used += size_now - before;
  } else if (named_) {
    room_.used -= before - size_now;
  }
  now_->resize(size_now);
  touch(std::min(before, size_now), std::max(before, size_now));
  return true;
}

size_t SimFile::read(uint64_t at, std::span<std::byte> into) const {
  if (at >= size()) return 0;
  size_t n = std::min<uint64_t>(into.size(), size() - at);
  std::memcpy(into.data(), now_->data() + at, n);
  return n;
}

// Stores into mapped memory tell nobody: what differs from the platter is dirty.
void SimFile::find_stores() {
  if (!mapped_) return;
  for (uint64_t at = 0; at < size(); at += kSector) {
    uint64_t n = std::min(kSector, size() - at);
    if (at + n > durable_.size() || std::memcmp(now_->data() + at, durable_.data() + at, n) != 0)
      dirty_.insert(at / kSector);
  }
}

// Requires: durable_ is long enough for what of the sector lies inside the file.
void SimFile::make_durable(uint64_t sector) {
  uint64_t at = sector * kSector;
  uint64_t end = std::min<uint64_t>({at + kSector, size(), durable_.size()});
  if (at < end) std::memcpy(durable_.data() + at, now_->data() + at, end - at);
}

void SimFile::sync() {
  find_stores();
  durable_.resize(size());
  for (uint64_t sector : dirty_)
    make_durable(sector);
  dirty_.clear();
}

void SimFile::sync_partly(Chance& chance) {
  find_stores();
  std::erase_if(dirty_, [&](uint64_t sector) {
    // The last of a file that grew stay dirty: their length is not durable.
    if ((sector + 1) * kSector > durable_.size() || chance.below(2) == 0) return false;
    make_durable(sector);
    return true;
  });
}

std::byte SimFile::durable_at(uint64_t at) const {
  return at < durable_.size() ? durable_[at] : std::byte{0};
}

void SimFile::power_cut(Chance& chance) {
  find_stores();
  WEIR_ASSERT(!mapped_);  // whoever had it mapped is dead by now
  Fate fate = draw_fate(chance);
  uint64_t length = durable_.size();
  if (fate == Fate::kKept) length = size();
  if (fate == Fate::kMixed && size() != durable_.size()) {
    auto [low, high] = std::minmax<uint64_t>({size(), durable_.size()});
    uint64_t draw = chance.below(4);
    length = draw == 0 ? low : draw == 1 ? high : low + chance.below(high - low + 1);
  }
  Bytes left = durable_;
  left.resize(length);
  for (uint64_t sector : dirty_) {
    uint64_t begin = sector * kSector;
    uint64_t end = std::min(begin + kSector, length);
    uint64_t draw = fate == Fate::kLost ? 32 : fate == Fate::kKept ? 0 : chance.below(64);
    if (begin >= end || (draw >= 28 && draw < 54)) continue;  // lost: the durable bytes stand
    uint64_t from = begin, to = end;
    if (draw >= 54) {  // torn: its front or its back is new
      uint64_t cut = begin + chance.below(end - begin + 1);
      (chance.below(2) == 0 ? from : to) = cut;
    }
    for (uint64_t at = from; at < to; ++at)
      left[at] = at < size() ? (*now_)[at] : durable_at(at);
    if (draw == 63)  // the head was over it when the power went
      for (uint64_t at = begin; at < end; ++at)
        left[at] = static_cast<std::byte>(chance.next());
  }
  if (named_) room_.used = room_.used - size() + length;
  durable_ = left;
  now_ = std::make_shared<Bytes>(std::move(left));
  dirty_.clear();
}

std::shared_ptr<SimFile::Bytes> SimFile::map() {
  WEIR_ASSERT(!mapped_);
  mapped_ = true;
  return now_;
}

void SimFile::unmap() {
  find_stores();
  mapped_ = false;
}

void SimFile::detach_mapping() {
  unmap();
  now_ = std::make_shared<Bytes>(*now_);
}

}  // namespace weir::io::sim
