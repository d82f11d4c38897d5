// The APIs of a provider that weir does not interpret but can pass through to it. None passes unless the
// configuration names it for a provider (providers.passthrough); which caller may use which is the key's
// matter (auth.keys.passthrough).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

enum class PassedApi : uint8_t {
  kAudio,   // speech, transcriptions, translations
  kImages,  // generations, edits, variations
  kModerations,
  kFiles,
  kUploads,
  kBatches,  // OpenAI's, and Anthropic's of messages
  kVectorStores,
  kFineTuning,
  kEvals,
  kContainers,
  kConversations,
  kAssistants,  // and threads
  kVideos,
  kRealtime,  // sessions and calls over HTTP
  kChatkit,
  kSkills,
  kContentProvenance,
  kStoredCompletions,  // chat completions that the provider keeps
  kResponses,          // the provider's own, stored ones included
  kOrganization,       // users, projects, keys, costs: the provider's administration
};
inline constexpr int kPassedApis = 20;

/// The word of the configuration, which metrics and records use too: "vector_stores".
std::string_view name(PassedApi api);
std::optional<PassedApi> passed_api(std::string_view word);

/// Does a request of this API stand for itself and name the model that serves it? Every other one works on
/// what the provider keeps in the gateway's account, whoever put it there.
constexpr bool by_model(PassedApi api) {
  return api == PassedApi::kAudio || api == PassedApi::kImages || api == PassedApi::kModerations;
}

/// A set of them.
class PassedApis {
 public:
  void add(PassedApi api) { bits_ |= bit(api); }
  bool has(PassedApi api) const { return (bits_ & bit(api)) != 0; }
  bool empty() const { return bits_ == 0; }
  friend bool operator==(PassedApis, PassedApis) = default;

 private:
  static constexpr uint32_t bit(PassedApi api) { return uint32_t{1} << static_cast<int>(api); }
  uint32_t bits_ = 0;
};

}  // namespace weir
