// The OpenAI wire, both ways. Up: what read_request() accepts goes to the model server edited, and the edited
// body must be accepted as well, name the model it was given, ask for usage where it streams, and say all the
// rest as the caller said it. Down: any event's data, as unchecked bytes of a model server; where it is JSON,
// what is read from it agrees with the parsed document, and without its usage it is still one event with the
// same other members.
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/base/json.h"
#include "weir/wire/openai/openai.h"
#include "weir/wire/parameters.h"

namespace {

using weir::exchange::ModelRequest;
using weir::exchange::Operation;
using weir::exchange::Usage;
using weir::fuzz::check;
using weir::json::Document;
using weir::json::PaddedBuffer;
using weir::json::Parser;
using weir::json::Type;
namespace openai = weir::wire::openai;

// All members but those `skip` names, in their order, byte for byte.
std::string rest_of(const Document& document, std::initializer_list<std::string_view> skip) {
  std::string out;
  for (const weir::json::Member& m : document.members)
    if (std::ranges::find(skip, m.key) == skip.end())
      out.append(m.key).append("\x01").append(m.value.raw).append("\x02");
  return out;
}

void up(std::string_view body, Operation operation) {
  static Parser parser, second;
  ModelRequest request, edited;
  request.body = PaddedBuffer(body);
  auto read = openai::read_request(operation, parser, request);
  if (!read) {
    check(!read.error().safe.empty());
    return;
  }
  check(weir::wire::check_model_name(request.model).has_value());
  if (!request.stream) check(openai::upstream_edits(request, request.model).str() == body);

  std::string bytes = openai::upstream_edits(request, "fuzz-model").str();
  edited.body = PaddedBuffer{std::string_view(bytes)};
  check(openai::read_request(operation, second, edited).has_value());
  check(edited.model == "fuzz-model" && edited.stream == request.stream);
  check(edited.usage_wanted || !edited.stream);
  check(rest_of(request.document, {"model", "stream_options"}) ==
        rest_of(edited.document, {"model", "stream_options"}));
}

bool same(const std::optional<Usage>& a, const std::optional<Usage>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->input_tokens == b->input_tokens && a->output_tokens == b->output_tokens &&
         a->cached_input_tokens == b->cached_input_tokens && a->reasoning_tokens == b->reasoning_tokens;
}

bool same(const weir::wire::EventFacts& a, const weir::wire::EventFacts& b) {
  return a.done == b.done && a.error == b.error && a.malformed == b.malformed && a.finished == b.finished &&
         a.choices_empty == b.choices_empty && same(a.usage, b.usage) &&
         a.usage_value.has_value() == b.usage_value.has_value();
}

void down(std::string_view data) {
  static weir::fuzz::Cage cage;
  static Parser parser, second;
  std::span<char> piece = cage.put(data);
  std::string_view seen(piece.data(), piece.size());
  weir::wire::EventFacts facts = openai::read_event(seen, true);
  check(same(facts, openai::read_event(seen, false)));
  check(!facts.done || (!facts.malformed && !facts.usage && !facts.error));

  // The framer gives no CR, and of several lines it makes one text.
  if (data.contains('\r')) return;
  PaddedBuffer bytes(data);
  auto parsed = parser.parse(bytes.view());
  if (!parsed || parsed->type != Type::kObject) {
    (void)openai::without_usage(seen);
    return;
  }
  check(!facts.malformed && !facts.done);
  if (!data.contains('\\')) check(same(facts.usage, openai::usage_of(*parsed)));

  std::string event = openai::without_usage(seen);
  check(event.starts_with("data: ") && event.ends_with("\n\n") && event.find('\n') == event.size() - 2);
  PaddedBuffer rest(std::string_view(event).substr(6, event.size() - 8));
  auto again = second.parse(rest.view());
  check(again.has_value() && again->find("usage") == nullptr);
  if (!data.contains('\n')) check(rest_of(*parsed, {"usage"}) == rest_of(*again, {}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::array kOperations = {Operation::kChat, Operation::kCompletion, Operation::kEmbedding};
  for (Operation operation : kOperations)
    up(bytes, operation);
  down(bytes);
  return 0;
}
