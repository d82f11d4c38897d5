#include "weir/telemetry/metrics.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "weir/base/assert.h"

namespace weir::telemetry {
namespace {

constexpr uint16_t kOverflowFamily = 0;  // weir_metrics_overflow_total is registered first

uint64_t mix(uint64_t h) {
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  h ^= h >> 32;
  return h;
}

uint64_t load(const char* p, size_t n) {
  uint64_t v = 0;
  std::memcpy(&v, p, n);
  return v;
}

// Multiplies and folds, 8 bytes a step. Label values come from configuration or are folded onto it by whoever
// counts; collisions cost a comparison.
uint64_t hash_text(uint64_t h, std::string_view text) {
  const char* p = text.data();
  size_t n = text.size();
  h ^= n * 0x9E3779B97F4A7C15u;
  for (; n >= 8; p += 8, n -= 8)
    h = mix(h ^ load(p, 8));
  if (n >= 4) {
    h = mix(h ^ load(p, 4) ^ load(p + n - 4, 4) << 32);
  } else if (n > 0) {
    auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(p[i])); };
    h = mix(h ^ byte(0) ^ byte(n / 2) << 8 ^ byte(n - 1) << 16);
  }
  return h;
}

// Each value behind its length in four bytes: no separator that a value could hold.
void encode(std::string& out, std::string_view value) {
  auto n = static_cast<uint32_t>(value.size());
  char length[4];
  std::memcpy(length, &n, 4);
  out.append(length, 4);
  out += value;
}

bool encodes(std::string_view encoded, Labels values) {
  const char* p = encoded.data();
  const char* end = p + encoded.size();
  for (std::string_view value : values) {
    if (static_cast<size_t>(end - p) < value.size() + 4 || load(p, 4) != value.size()) return false;
    if (!value.empty() && std::memcmp(p + 4, value.data(), value.size()) != 0) return false;
    p += 4 + value.size();
  }
  return p == end;
}

bool is_name(std::string_view text, bool colons) {
  auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  if (text.empty() || !letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::vector<double> doubling(double first, int count, double factor = 2) {
  std::vector<double> bounds;
  for (int i = 0; i < count; ++i, first *= factor)
    bounds.push_back(first);
  return bounds;
}

}  // namespace

std::vector<std::string_view> label_values(std::string_view encoded) {
  std::vector<std::string_view> values;
  while (encoded.size() >= 4) {
    size_t n = load(encoded.data(), 4);
    values.push_back(encoded.substr(4, n));
    encoded.remove_prefix(4 + n);
  }
  return values;
}

Shard::Shard(const std::vector<FamilyInfo>& families, size_t series_max)
    : families_(families),
      series_max_(series_max),
      series_count_(families.size()),
      overflow_cells_(families.size()),
      slots_(64) {}

Shard::~Shard() {
  for (const Cell* cell = newest_.load(std::memory_order_relaxed); cell;) {
    const Cell* older = cell->older;
    delete cell;
    cell = older;
  }
}

uint64_t Shard::hash(Labels values) {
  uint64_t h = 0;
  for (std::string_view value : values)
    h = hash_text(h, value);
  return h;
}

Cell* Shard::find(uint16_t family, Labels values, uint64_t tuple_hash) {
  uint64_t h = mix(tuple_hash + (family + uint64_t{1}) * 0x9E3779B97F4A7C15u);
  size_t mask = slots_.size() - 1;
  for (size_t i = h & mask; slots_[i].cell; i = (i + 1) & mask) {
    const Slot& slot = slots_[i];
    if (slot.hash == h && slot.cell->family == family && encodes(slot.cell->labels, values)) return slot.cell;
  }
  WEIR_ASSERT(values.size() == families_[family].labels.size());
  if (series_count_[family] >= series_max_) return overflow(family);
  return add_cell(family, values, h);
}

std::unique_ptr<Cell> Shard::make_cell(uint16_t family) {
  auto cell = std::make_unique<Cell>();
  cell->family = family;
  cell->older = newest_.load(std::memory_order_relaxed);
  if (families_[family].kind == Kind::kHistogram) {
    cell->histogram = std::make_unique<HistogramCells>();
    return cell;
  }
  if (values_used_ == Values().numbers.size()) {
    values_.emplace_back();
    values_used_ = 0;
  }
  cell->value = &values_.back().numbers[values_used_++];
  return cell;
}

Cell* Shard::add_cell(uint16_t family, Labels values, uint64_t h) {
  std::unique_ptr<Cell> cell = make_cell(family);
  for (std::string_view value : values)
    encode(cell->labels, value);
  if ((used_ + 1) * 4 > slots_.size() * 3) grow();
  size_t mask = slots_.size() - 1;
  size_t i = h & mask;
  while (slots_[i].cell)
    i = (i + 1) & mask;
  Cell* added = cell.release();
  slots_[i] = {h, added};
  ++used_;
  ++series_count_[family];
  newest_.store(added, std::memory_order_release);
  return added;
}

// The cell all further series of a family share. It is no slot of the table: only this finds it.
Cell* Shard::overflow(uint16_t family) {
  if (family != kOverflowFamily) series(Family<Counter>{kOverflowFamily}, {families_[family].name}).add();
  Cell*& cell = overflow_cells_[family];
  if (cell) return cell;
  std::unique_ptr<Cell> made = make_cell(family);
  for (size_t i = 0; i < families_[family].labels.size(); ++i)
    encode(made->labels, kOverflow);
  cell = made.release();
  newest_.store(cell, std::memory_order_release);
  return cell;
}

void Shard::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (!slot.cell) continue;
    size_t i = slot.hash & mask;
    while (slots_[i].cell)
      i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

double SeriesView::value() const {
  double total = 0;
  for (const Cell* cell : cells)
    total += cell->value->load(std::memory_order_relaxed);
  return total;
}

void SeriesView::add_histogram(HistogramSnapshot& snapshot) const {
  for (const Cell* cell : cells)
    snapshot.add(*cell->histogram);
}

Registry::Registry() : Registry(Options{}) {}

Registry::Registry(Options options) : options_(options) {
  add_counter("weir_metrics_overflow_total",
              "Look-ups answered with the series __overflow__ because the metric has too many.", {"metric"});
}

uint16_t Registry::add_family(FamilyInfo info) {
  WEIR_ASSERT(shards_.empty());
  WEIR_ASSERT(families_.size() < UINT16_MAX);
  WEIR_ASSERT(is_name(info.name, true));
  WEIR_ASSERT(std::none_of(families_.begin(), families_.end(),
                           [&](const FamilyInfo& f) { return f.name == info.name; }));
  for (const std::string& label : info.labels)
    WEIR_ASSERT(is_name(label, false) && !label.starts_with("__") && label != "le");
  WEIR_ASSERT(std::is_sorted(info.bounds.begin(), info.bounds.end()));
  families_.push_back(std::move(info));
  return static_cast<uint16_t>(families_.size() - 1);
}

Family<Counter> Registry::add_counter(std::string name, std::string help, std::vector<std::string> labels) {
  return {add_family({std::move(name), std::move(help), Kind::kCounter, std::move(labels), {}})};
}

Family<Gauge> Registry::add_gauge(std::string name, std::string help, std::vector<std::string> labels) {
  return {add_family({std::move(name), std::move(help), Kind::kGauge, std::move(labels), {}})};
}

Family<Histogram> Registry::add_histogram(std::string name, std::string help, std::vector<std::string> labels,
                                          std::vector<double> bounds) {
  return {
      add_family({std::move(name), std::move(help), Kind::kHistogram, std::move(labels), std::move(bounds)})};
}

Shard& Registry::add_shard() {
  std::lock_guard lock(mutex_);
  shards_.push_back(std::unique_ptr<Shard>(new Shard(families_, options_.series_max)));
  return *shards_.back();
}

std::vector<SeriesView> Registry::collect() const {
  std::vector<const Cell*> newest;
  {
    std::lock_guard lock(mutex_);
    for (const auto& shard : shards_)
      newest.push_back(shard->newest_.load(std::memory_order_acquire));
  }
  std::map<std::pair<uint16_t, std::vector<std::string_view>>, std::vector<const Cell*>> merged;
  for (const Cell* first : newest)
    for (const Cell* cell = first; cell; cell = cell->older)
      merged[{cell->family, label_values(cell->labels)}].push_back(cell);
  std::vector<SeriesView> result;
  result.reserve(merged.size());
  for (auto& [key, cells] : merged)
    result.push_back({&families_[key.first], key.second, std::move(cells)});
  return result;
}

std::vector<double> latency_bounds() {
  return doubling(0.01, 14);
}

std::vector<double> token_latency_bounds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
}

std::vector<double> token_count_bounds() {
  return doubling(1, 11, 4);
}

}  // namespace weir::telemetry
