#include "weir/app/models_command.h"

#include <fmt/format.h>

#include <cstdio>

#include "weir/base/json_write.h"
#include "weir/base/money.h"
#include "weir/registry/registry.h"

namespace weir::app {
namespace {

using registry::ModelFacts;

std::string price_text(const registry::Price& price) {
  if (!price) return "-";
  std::string text = dollars_text(*price);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string abilities_of(const ModelFacts& f) {
  std::string out;
  auto add = [&](const std::optional<bool>& has, std::string_view word) {
    if (has == true) out.append(out.empty() ? "" : ",").append(word);
  };
  add(f.tools, "tools");
  add(f.vision, "vision");
  add(f.audio, "audio");
  add(f.json_schema, "json_schema");
  add(f.reasoning, "reasoning");
  add(f.prefill, "prefill");
  return out.empty() ? "-" : out;
}

void print_line(std::string_view vendor, const ModelFacts& f) {
  auto count = [](const std::optional<int64_t>& n) { return n ? fmt::format("{}", *n) : "-"; };
  fmt::print("{:<11} {:<52} {:>9} {:>8} {:>9} {:>9} {:>9} {:<10} {}\n", vendor, f.model,
             count(f.context_tokens), count(f.output_tokens), price_text(f.rates.input),
             price_text(f.rates.output), price_text(f.rates.cache_read), f.until.empty() ? "-" : f.until,
             abilities_of(f));
}

void print_json(std::string_view vendor, const ModelFacts& f) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("provider", vendor).member("model", f.model);
  auto number = [&](std::string_view key, const std::optional<int64_t>& n) {
    if (n) writer.key(key).value(*n);
  };
  auto flag = [&](std::string_view key, const std::optional<bool>& b) {
    if (b) writer.key(key).value(*b);
  };
  number("context_tokens", f.context_tokens);
  number("output_tokens", f.output_tokens);
  flag("tools", f.tools);
  flag("vision", f.vision);
  flag("audio", f.audio);
  flag("json_schema", f.json_schema);
  flag("reasoning", f.reasoning);
  flag("prefill", f.prefill);
  auto rates = [&](std::string_view prefix, const registry::Rates& r) {
    auto price = [&](std::string_view key, const registry::Price& p) {
      number(fmt::format("{}{}_nanodollars_per_mtok", prefix, key), p);
    };
    price("input", r.input);
    price("output", r.output);
    price("cache_read", r.cache_read);
    price("cache_write", r.cache_write);
    price("cache_write_1h", r.cache_write_1h);
    price("input_audio", r.input_audio);
    price("output_audio", r.output_audio);
    price("reasoning", r.reasoning);
    price("batch_input", r.batch_input);
    price("batch_output", r.batch_output);
  };
  rates("", f.rates);
  if (f.tier_above > 0) {
    writer.key("tier_above_tokens").value(f.tier_above);
    rates("tier_", f.tier);
  }
  if (!f.until.empty()) writer.member("until", f.until);
  writer.end_object();
  fmt::print("{}\n", out);
}

}  // namespace

int run_models(const ModelsCommand& command) {
  bool found = false;
  for (const registry::BookVendor& of : registry::book()) {
    if (!command.vendor.empty() && command.vendor != of.vendor) continue;
    for (const ModelFacts& facts : of.models) {
      if (!facts.model.starts_with(command.name)) continue;
      if (!found && !command.json)
        fmt::print("{:<11} {:<52} {:>9} {:>8} {:>9} {:>9} {:>9} {:<10} {}\n", "provider", "model", "context",
                   "output", "in $/M", "out $/M", "read $/M", "until", "abilities");
      found = true;
      command.json ? print_json(of.vendor, facts) : print_line(of.vendor, facts);
    }
  }
  if (!found) fmt::print(stderr, "the registry knows no such model\n");
  return found ? 0 : 1;
}

}  // namespace weir::app
