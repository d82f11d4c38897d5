#include "weir/telemetry/sketch.h"

#include <algorithm>
#include <cmath>

namespace weir::telemetry {

void append_varint(std::string& bytes, uint64_t number) {
  for (; number >= 0x80; number >>= 7)
    bytes += static_cast<char>(number | 0x80);
  bytes += static_cast<char>(number);
}

bool take_varint(std::string_view& bytes, uint64_t& number) {
  number = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return false;
    auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void Sketch::add_cell(uint16_t index, uint64_t count) {
  auto at = std::ranges::lower_bound(cells_, index, {}, &Cell::first);
  if (at != cells_.end() && at->first == index)
    at->second += count;
  else
    cells_.insert(at, {index, count});
}

void Sketch::add(const Sketch& other) {
  std::vector<Cell> sum;
  sum.reserve(cells_.size() + other.cells_.size());
  auto a = cells_.begin();
  auto b = other.cells_.begin();
  while (a != cells_.end() || b != other.cells_.end()) {
    if (b == other.cells_.end() || (a != cells_.end() && a->first < b->first))
      sum.push_back(*a++);
    else if (a == cells_.end() || b->first < a->first)
      sum.push_back(*b++);
    else
      sum.emplace_back(a->first, (a++)->second + (b++)->second);
  }
  cells_ = std::move(sum);
}

uint64_t Sketch::count() const {
  uint64_t sum = 0;
  for (const Cell& cell : cells_)
    sum += cell.second;
  return sum;
}

std::optional<double> Sketch::quantile(double q) const {
  uint64_t all = count();
  if (all == 0) return std::nullopt;
  auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(all)));
  rank = std::clamp<uint64_t>(rank, 1, all);
  for (const Cell& cell : cells_) {
    if (rank <= cell.second) return std::sqrt(cell_lower(cell.first) * cell_upper(cell.first));
    rank -= cell.second;
  }
  return std::nullopt;
}

void Sketch::append_to(std::string& bytes) const {
  append_varint(bytes, cells_.size());
  uint16_t last = 0;
  for (const Cell& cell : cells_) {
    append_varint(bytes, static_cast<uint64_t>(cell.first - last));
    append_varint(bytes, cell.second);
    last = cell.first;
  }
}

bool Sketch::take_from(std::string_view& bytes) {
  cells_.clear();
  uint64_t cells = 0, index = 0;
  if (!take_varint(bytes, cells) || cells > kCells) return false;
  cells_.reserve(cells);
  for (uint64_t i = 0; i < cells; ++i) {
    uint64_t step = 0, count = 0;
    if (!take_varint(bytes, step) || !take_varint(bytes, count)) return false;
    if (step >= kCells || (i > 0 && step == 0) || count == 0) return false;
    index += step;
    if (index >= kCells) return false;
    cells_.emplace_back(static_cast<uint16_t>(index), count);
  }
  return true;
}

}  // namespace weir::telemetry
