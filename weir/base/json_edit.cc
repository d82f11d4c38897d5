// Splices: what is cut out of a document, what stands there instead, and which commas go along.
#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "weir/base/assert.h"
#include "weir/base/json.h"
#include "weir/base/json_scan.h"

namespace weir::json {

using scan::is_space;

size_t Edits::offset_of(std::string_view part) const {
  const char* begin = document_.data();
  const char* end = begin + document_.size();
  std::less_equal<const char*> before;
  WEIR_ASSERT(!part.empty() && before(begin, part.data()) && before(part.data() + part.size(), end));
  return static_cast<size_t>(part.data() - begin);
}

void Edits::replace(std::string_view old_raw, std::string text) {
  size_t begin = offset_of(old_raw);
  splices_.push_back({begin, begin + old_raw.size(), false, std::move(text)});
}

void Edits::remove_member(const Member& member) {
  // Counted back from the value: a member's offsets may be relative to the object it was read from.
  size_t end = offset_of(member.value.raw) + member.value.raw.size();
  splices_.push_back({end - (member.end - member.begin), end, true, {}});
}

void Edits::remove_element(const Value& element) {
  size_t begin = offset_of(element.raw);
  splices_.push_back({begin, begin + element.raw.size(), true, {}});
}

void Edits::insert(std::string_view container_raw, bool front, std::string text) {
  size_t open = offset_of(container_raw);
  WEIR_ASSERT(container_raw.size() >= 2 && (container_raw[0] == '{' || container_raw[0] == '['));
  insertions_.push_back({open, front ? open + 1 : open + container_raw.size() - 1, front, std::move(text)});
}

void Edits::insert_first_member(std::string_view object_raw, std::string member_text) {
  insert(object_raw, true, std::move(member_text));
}
void Edits::append_member(std::string_view object_raw, std::string member_text) {
  insert(object_raw, false, std::move(member_text));
}
void Edits::insert_first_element(std::string_view array_raw, std::string element_text) {
  insert(array_raw, true, std::move(element_text));
}
void Edits::append_element(std::string_view array_raw, std::string element_text) {
  insert(array_raw, false, std::move(element_text));
}

size_t Edits::after_space(size_t at) const {
  while (at < document_.size() && is_space(document_[at]))
    ++at;
  return at;
}

bool Edits::closes(size_t at) const {
  return at < document_.size() && (document_[at] == ']' || document_[at] == '}');
}

// What leaves the document, in order and apart. Values nest or are disjoint, so an overlap is an edit inside
// another one: the outer one wins. Removals that touch are one cut, which knows best which comma to take.
std::vector<Edits::Cut> Edits::cuts() const {
  std::vector<const Splice*> order;
  for (const Splice& s : splices_)
    order.push_back(&s);
  std::sort(order.begin(), order.end(), [](const Splice* a, const Splice* b) {
    return std::tuple(a->begin, b->end, !a->removal, b) < std::tuple(b->begin, a->end, !b->removal, a);
  });
  std::vector<Cut> result;
  for (const Splice* s : order) {
    if (!result.empty() && s->begin < result.back().end) continue;
    if (s->removal && !result.empty() && !result.back().text) {
      size_t comma = after_space(result.back().end);
      if (comma < s->begin && document_[comma] == ',' && after_space(comma + 1) == s->begin) {
        result.back().end = s->end;
        continue;
      }
    }
    result.push_back({s->begin, s->end, s->removal ? nullptr : &s->text});
  }
  for (Cut& cut : result) {
    if (cut.text) continue;
    size_t next = after_space(cut.end);
    if (next < document_.size() && document_[next] == ',') {
      cut.end = after_space(next + 1);
      continue;
    }
    size_t before = cut.begin;
    while (before > 0 && is_space(document_[before - 1]))
      --before;
    if (before > 0 && document_[before - 1] == ',') cut.begin = before - 1;
  }
  return result;
}

// Is anything left of what stood in the container whose bracket is at `open`?
bool Edits::keeps_something(size_t open, const std::vector<Cut>& cuts) const {
  size_t first = after_space(open + 1);
  if (closes(first)) return false;
  auto cut =
      std::lower_bound(cuts.begin(), cuts.end(), first, [](const Cut& c, size_t at) { return c.begin < at; });
  return cut == cuts.end() || cut->begin != first || cut->text || !closes(after_space(cut->end));
}

std::vector<std::string_view> Edits::pieces() const {
  if (insertions_.empty() && splices_.size() == 1 &&
      !splices_[0].removal) {  // another model's name: most requests
    const Splice& only = splices_[0];
    std::vector<std::string_view> three;
    three.reserve(3);
    for (std::string_view piece :
         {document_.substr(0, only.begin), std::string_view(only.text), document_.substr(only.end)})
      if (!piece.empty()) three.push_back(piece);
    return three;
  }
  std::vector<Cut> gone = cuts();
  std::vector<const Insertion*> added;
  for (const Insertion& i : insertions_) {
    auto next = std::upper_bound(gone.begin(), gone.end(), i.open,
                                 [](size_t at, const Cut& c) { return at < c.begin; });
    if (next == gone.begin() || i.open >= std::prev(next)->end) added.push_back(&i);
  }
  std::sort(added.begin(), added.end(), [](const Insertion* a, const Insertion* b) {
    return std::tuple(a->at, !a->front, a) < std::tuple(b->at, !b->front, b);
  });

  std::vector<std::string_view> result;
  result.reserve(2 * gone.size() + 3 * added.size() + 1);
  auto put = [&](std::string_view piece) {
    if (!piece.empty()) result.push_back(piece);
  };
  size_t at = 0;
  auto next_cut = gone.begin();
  auto copy_to = [&](size_t to) {
    for (; next_cut != gone.end() && next_cut->begin < to; ++next_cut) {
      put(document_.substr(at, next_cut->begin - at));
      if (next_cut->text) put(*next_cut->text);
      at = next_cut->end;
    }
    put(document_.substr(at, to - at));
    at = to;
  };
  std::set<size_t> begun;  // containers that hold new text already
  for (size_t i = 0; i < added.size(); ++i) {
    const Insertion& one = *added[i];
    copy_to(one.at);
    bool kept = keeps_something(one.open, gone);
    bool first = begun.insert(one.open).second;
    if (!one.front && (kept || !first)) put(",");
    put(one.text);
    bool more_in_front = i + 1 < added.size() && added[i + 1]->front && added[i + 1]->open == one.open;
    if (one.front && (kept || more_in_front)) put(",");
  }
  copy_to(document_.size());
  return result;
}

size_t Edits::size() const {
  size_t total = 0;
  for (std::string_view piece : pieces())
    total += piece.size();
  return total;
}

std::string Edits::str() const {
  std::string text;
  for (std::string_view piece : pieces())
    text += piece;
  return text;
}

}  // namespace weir::json
