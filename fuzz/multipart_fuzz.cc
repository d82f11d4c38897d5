// A multipart body on its way to the provider that its part `model` names: one verdict and one model for
// every split; the name stands where it is said to stand, in front of a delimiter; and the body with another
// name in that place, which is what goes out, is accepted again and names that one. First line of an input:
// the content type, or nothing for a plain one.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/server/multipart_model.h"

namespace {

using weir::fuzz::Cage;
using weir::fuzz::check;
using weir::fuzz::Cuts;
using weir::server::MultipartModel;

struct Run {
  bool accepted = false;
  std::optional<std::string> model;
  uint64_t begin = 0;
  bool operator==(const Run&) const = default;
};

Run run(const MultipartModel& fresh, std::string_view body, Cuts::Kind kind) {
  static Cage cage;
  MultipartModel reader = fresh;
  Cuts cuts(kind, body);
  while (!body.empty()) {
    size_t n = cuts.next(body.size());
    std::span<char> piece = cage.put(body.substr(0, n));
    bool known = reader.model().has_value();
    if (!reader.feed({piece.data(), piece.size()})) return {};
    check(!known || reader.model().has_value());
    body.remove_prefix(n);
  }
  if (!reader.finish()) return {};
  check(reader.ended());
  return {true, reader.model(), reader.model() ? reader.model_begin() : 0};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t line = std::min(input.find('\n'), input.size());
  std::string_view type = line == 0 ? "multipart/form-data; boundary=b" : input.substr(0, line);
  std::string_view body = input.substr(std::min(line + 1, input.size()));
  auto fresh = MultipartModel::of(type);
  if (!fresh) return 0;

  Run whole = run(*fresh, body, Cuts::Kind::kWhole);
  check(run(*fresh, body, Cuts::Kind::kDrawn) == whole);
  if (weir::fuzz::worth_byte_by_byte(body)) check(run(*fresh, body, Cuts::Kind::kBytes) == whole);
  if (!whole.model) return 0;

  check(whole.begin <= body.size() && body.substr(whole.begin).starts_with(*whole.model));
  std::string_view behind = body.substr(whole.begin + whole.model->size());
  check(behind.starts_with("\r\n--"));
  std::string other(body.substr(0, whole.begin));
  other.append("another-model").append(behind);
  Run again = run(*fresh, other, Cuts::Kind::kDrawn);
  check(again.accepted && again.model == "another-model" && again.begin == whole.begin);
  return 0;
}
