#include "weir/server/passed_path.h"

#include <algorithm>
#include <charconv>

namespace weir::server {

std::optional<PassedPath> passed_path(std::string_view path) {
  struct Row {
    std::string_view prefix;
    PassedApi api;
    bool below = true;  // and everything below it
    bool anthropic = false;
  };
  using enum PassedApi;
  static constexpr Row kRows[] = {
      {"/v1/audio/speech", kAudio, false},
      {"/v1/audio/transcriptions", kAudio, false},
      {"/v1/audio/translations", kAudio, false},
      {"/v1/images/generations", kImages, false},
      {"/v1/images/edits", kImages, false},
      {"/v1/images/variations", kImages, false},
      {"/v1/moderations", kModerations, false},
      {"/v1/files", kFiles},
      {"/v1/uploads", kUploads},
      {"/v1/batches", kBatches},
      {"/v1/messages/batches", kBatches, true, true},
      {"/v1/vector_stores", kVectorStores},
      {"/v1/fine_tuning", kFineTuning},
      {"/v1/evals", kEvals},
      {"/v1/containers", kContainers},
      {"/v1/conversations", kConversations},
      {"/v1/assistants", kAssistants},
      {"/v1/threads", kAssistants},
      {"/v1/videos", kVideos},
      {"/v1/realtime", kRealtime},
      {"/v1/chatkit", kChatkit},
      {"/v1/skills", kSkills},
      {"/v1/content_provenance_checks", kContentProvenance},
      {"/v1/chat/completions", kStoredCompletions},
      {"/v1/responses", kResponses},
      {"/v1/organization", kOrganization},
      {"/v1/projects", kOrganization},
  };
  // A model that was fine-tuned there is deleted there; what models there are is weir's to say.
  if (path.starts_with("/v1/models/")) return PassedPath{kFineTuning};
  for (const Row& row : kRows) {
    if (!path.starts_with(row.prefix)) continue;
    std::string_view rest = path.substr(row.prefix.size());
    if (rest.empty() || (row.below && rest.front() == '/')) return PassedPath{row.api, row.anthropic};
  }
  return std::nullopt;
}

namespace {

bool is_plain_segment(std::string_view segment) {
  if (segment.empty() || segment == "." || segment == "..") return false;
  for (size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || std::string_view("-._~:@!$'()*,;=+&").contains(c)) continue;
    if (c != '%' || i + 2 >= segment.size()) return false;
    unsigned char byte = 0;
    const char* digits = segment.data() + i + 1;
    if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return false;
    if (byte <= 0x20 || byte >= 0x7f || std::string_view("/\\.%?#;").contains(static_cast<char>(byte)))
      return false;
    i += 2;
  }
  return true;
}

}  // namespace

bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/')) return false;
  path.remove_prefix(1);
  for (;;) {
    size_t slash = std::min(path.find('/'), path.size());
    if (!is_plain_segment(path.substr(0, slash))) return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace weir::server
