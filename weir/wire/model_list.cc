#include "weir/wire/model_list.h"

#include <algorithm>
#include <string_view>

#include "weir/base/json_write.h"
#include "weir/wire/parameters.h"

namespace weir::wire {
namespace {

// Written for every model by openai::models_body().
constexpr std::string_view kOwnMembers[] = {"id",         "object",         "created",
                                            "owned_by",   "type",           "display_name",
                                            "created_at", "context_length", "max_output_tokens"};
constexpr int64_t kCreatedMax = 9'000'000'000;  // as nanoseconds it fits 63 bits
constexpr std::string_view kGeminiPrefix = "models/";

ListedModel read_entry(const json::Value& entry) {
  ListedModel model;
  for (const json::Member& member : json::members_of(entry.raw)) {
    if (member.key == "id") model.name = member.value.as_string().value_or("");
    if (auto s = member.value.as_int(); member.key == "created" && s && *s >= 0 && *s <= kCreatedMax)
      model.created = s;
    if (std::ranges::find(kOwnMembers, member.key) != std::end(kOwnMembers)) continue;
    if (!model.more.empty()) model.more += ',';
    json::append_quoted(model.more, member.key);
    model.more.append(1, ':').append(member.value.raw);
  }
  if (model.more.size() > kMoreBytesMax) model.more.clear();
  return model;
}

ListedModel read_named(const json::Value& entry) {
  ListedModel model;
  if (auto name = json::find_in(entry.raw, "name")) model.name = name->as_string().value_or("");
  if (model.name.starts_with(kGeminiPrefix)) model.name.erase(0, kGeminiPrefix.size());
  return model;
}

}  // namespace

std::vector<ListedModel> read_model_list(const json::Document& answer) {
  std::vector<ListedModel> models;
  const json::Value* data = answer.find("data");
  const json::Value* list = data ? data : answer.find("models");
  if (!list || list->type != json::Type::kArray) return models;
  for (const json::Value& entry : json::elements_of(list->raw)) {
    if (entry.type != json::Type::kObject) continue;
    ListedModel model = data ? read_entry(entry) : read_named(entry);
    if (check_model_name(model.name)) models.push_back(std::move(model));
    if (models.size() == kListedModelsMax) break;
  }
  return models;
}

}  // namespace weir::wire
