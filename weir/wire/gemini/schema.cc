#include <algorithm>

#include "weir/wire/gemini/codec.h"

namespace weir::wire::gemini {
namespace {

using json::Type;
using json::Value;

// What responseJsonSchema and parametersJsonSchema take, by the API reference; $schema and $comment mean
// nothing to a model.
constexpr std::string_view kKnown[] = {"$schema",
                                       "$comment",
                                       "$id",
                                       "$defs",
                                       "$ref",
                                       "$anchor",
                                       "type",
                                       "format",
                                       "title",
                                       "enum",
                                       "description",
                                       "items",
                                       "minItems",
                                       "minimum",
                                       "maximum",
                                       "prefixItems",
                                       "anyOf",
                                       "oneOf",
                                       "properties",
                                       "required",
                                       "maxItems",
                                       "default",
                                       "definitions",
                                       "additionalProperties",
                                       "propertyOrdering"};

// The parser bounds how deep a request may nest; this bounds the stack whatever it allows.
constexpr int kDepthMax = 256;

void note(const Value& schema, std::string_view field, chat::Losses& losses, int depth) {
  if (schema.type != Type::kObject || depth > kDepthMax) return;
  for (const json::Member& member : json::members_of(schema.raw)) {
    const Value& value = member.value;
    if (std::ranges::find(kKnown, member.key) == std::end(kKnown)) {
      losses.add(std::string(field) + "." + std::string(member.key));
    } else if (member.key == "properties" || member.key == "$defs" || member.key == "definitions") {
      for (const json::Member& property : json::members_of(value.raw))  // their names are no keywords
        note(property.value, field, losses, depth + 1);
    } else if (member.key == "items" || member.key == "additionalProperties") {
      note(value, field, losses, depth + 1);
    } else if (value.type == Type::kArray &&
               (member.key == "anyOf" || member.key == "oneOf" || member.key == "prefixItems")) {
      for (const Value& element : json::elements_of(value.raw))
        note(element, field, losses, depth + 1);
    }
  }
}

}  // namespace

void note_schema_losses(std::string_view schema, std::string_view field, chat::Losses& losses) {
  note({.type = Type::kObject, .raw = schema}, field, losses, 0);
}

}  // namespace weir::wire::gemini
