#include "weir/base/passed_api.h"

#include <array>

namespace weir {
namespace {

constexpr std::array<std::string_view, kPassedApis> kNames = {"audio",
                                                              "images",
                                                              "moderations",
                                                              "files",
                                                              "uploads",
                                                              "batches",
                                                              "vector_stores",
                                                              "fine_tuning",
                                                              "evals",
                                                              "containers",
                                                              "conversations",
                                                              "assistants",
                                                              "videos",
                                                              "realtime",
                                                              "chatkit",
                                                              "skills",
                                                              "content_provenance",
                                                              "stored_completions",
                                                              "responses",
                                                              "organization"};

}  // namespace

std::string_view name(PassedApi api) {
  return kNames[static_cast<size_t>(api)];
}

std::optional<PassedApi> passed_api(std::string_view word) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == word) return static_cast<PassedApi>(i);
  return std::nullopt;
}

}  // namespace weir
