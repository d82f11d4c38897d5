#include "weir/wire/openai/own_models.h"

namespace weir::wire::openai {

namespace chat = exchange::chat;

OwnModel own_model(std::string_view name) {
  if (name.starts_with("ft:")) name.remove_prefix(3);
  auto digit = [&](size_t at) { return at < name.size() && name[at] >= '0' && name[at] <= '9'; };
  if (name.starts_with("o") && digit(1)) return {true, true};
  if (name.starts_with("chatgpt-")) return {true, false};
  if (!name.starts_with("gpt-") || !digit(4)) return {};
  return {true, name[4] >= '5' && name.find("-chat") == std::string_view::npos};
}

TakenParameters taken_parameters(const chat::Request& request, OwnModel model, chat::Losses& losses) {
  TakenParameters taken{.top_k = request.top_k,
                        .temperature = request.temperature,
                        .top_p = request.top_p,
                        .min_p = request.min_p,
                        .presence_penalty = request.presence_penalty,
                        .frequency_penalty = request.frequency_penalty,
                        .repetition_penalty = request.repetition_penalty,
                        .stop = request.stop};
  if (!model.own) return taken;
  auto drop = [&](auto& value, std::string_view name) {
    if (value) losses.add(name);
    value.reset();
  };
  drop(taken.top_k, "top_k");
  drop(taken.min_p, "min_p");
  drop(taken.repetition_penalty, "repetition_penalty");
  taken.reasoning = model.reasons;
  if (!model.reasons) {
    const chat::Reasoning& wish = request.reasoning;
    if ((!wish.effort.empty() && wish.effort != "none") || wish.budget_tokens || wish.enabled == true)
      losses.add("reasoning");
    return taken;
  }
  if (taken.temperature == 1) taken.temperature.reset();  // the only value, and the default
  if (taken.top_p == 1) taken.top_p.reset();
  drop(taken.temperature, "temperature");
  drop(taken.top_p, "top_p");
  drop(taken.presence_penalty, "presence_penalty");
  drop(taken.frequency_penalty, "frequency_penalty");
  if (!taken.stop.empty()) losses.add("stop");
  taken.stop = {};
  return taken;
}

}  // namespace weir::wire::openai
