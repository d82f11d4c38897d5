#include <fmt/format.h>

#include "weir/base/json_write.h"
#include "weir/base/time_text.h"
#include "weir/wire/ollama/ollama.h"

namespace weir::wire::ollama {
namespace {

constexpr std::string_view kLatest = ":latest";

bool has_tag(std::string_view model) {
  size_t colon = model.rfind(':');
  size_t slash = model.rfind('/');  // before it a colon belongs to the host's port
  return colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
}

void write_details(json::Writer& out, const ModelFacts& model) {
  out.key("details").begin_object();
  out.member("parent_model", "").member("format", model.format).member("family", model.family);
  out.key("families").begin_array();
  if (!model.family.empty()) out.value(model.family);
  out.end_array();
  out.member("parameter_size", model.parameter_size).member("quantization_level", model.quantization);
  if (model.context_length > 0) out.member("context_length", model.context_length);
  if (model.embedding_length > 0) out.member("embedding_length", model.embedding_length);
  out.end_object();
}

void write_capabilities(json::Writer& out, const ModelFacts& model) {
  if (model.capabilities.empty()) return;
  out.key("capabilities").begin_array();
  for (const std::string& capability : model.capabilities)
    out.value(capability);
  out.end_array();
}

void write_name(json::Writer& out, const ModelFacts& model) {
  std::string name = with_tag(model.name);
  out.member("name", name).member("model", name);
}

template <class Write>
std::string models_body(const std::vector<ModelFacts>& models, Write write) {
  std::string text;
  json::Writer out(text);
  out.begin_object().key("models").begin_array();
  for (const ModelFacts& model : models) {
    out.begin_object();
    write(out, model);
    out.end_object();
  }
  out.end_array().end_object();
  return text;
}

}  // namespace

std::string with_tag(std::string_view model) {
  return has_tag(model) ? std::string(model) : std::string(model) + std::string(kLatest);
}

std::string other_spelling(std::string_view model) {
  if (!has_tag(model)) return with_tag(model);
  if (!model.ends_with(kLatest)) return {};
  model.remove_suffix(kLatest.size());
  return std::string(model);
}

std::string timestamp(WallTime time) {
  std::string text = rfc3339(time);  // to the millisecond
  text.resize(text.find('.'));
  return text + fmt::format(".{:09}Z", time.unix_ns % 1'000'000'000);
}

std::string tags_body(const std::vector<ModelFacts>& models) {
  return models_body(models, [](json::Writer& out, const ModelFacts& model) {
    write_name(out, model);
    out.member("modified_at", timestamp(model.modified)).member("size", model.bytes);
    out.member("digest", model.digest);
    write_details(out, model);
    write_capabilities(out, model);
  });
}

std::string ps_body(const std::vector<ModelFacts>& models) {
  return models_body(models, [](json::Writer& out, const ModelFacts& model) {
    write_name(out, model);
    out.member("size", model.bytes).member("digest", model.digest);
    write_details(out, model);
    out.member("expires_at", timestamp(model.expires)).member("size_vram", model.bytes_in_gpu);
    out.member("context_length", model.context_length);
  });
}

std::string show_body(const ModelFacts& model) {
  std::string text;
  json::Writer out(text);
  out.begin_object();
  write_details(out, model);
  // Clients look the context's length up by the architecture's name.
  std::string architecture = model.family.empty() ? "unknown" : model.family;
  out.key("model_info").begin_object().member("general.architecture", architecture);
  out.member("general.basename", model.name);
  if (model.parameter_count > 0) out.member("general.parameter_count", model.parameter_count);
  if (model.context_length > 0) out.member(architecture + ".context_length", model.context_length);
  if (model.embedding_length > 0) out.member(architecture + ".embedding_length", model.embedding_length);
  out.end_object();
  write_capabilities(out, model);
  out.member("modified_at", timestamp(model.modified));
  out.end_object();
  return text;
}

std::string version_body(std::string_view version) {
  std::string text;
  json::Writer(text).begin_object().member("version", version).end_object();
  return text;
}

}  // namespace weir::wire::ollama
