// parse_settings on any bytes: it ends, it gives settings or problems and never both, and what it says about
// a secret from the environment does not hold it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/assert.h"
#include "weir/base/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr std::string_view kSecret = "s3cr3t-of-the-environment";
  weir::SettingsSources sources;
  sources.base_directory = "/etc/weir";
  sources.environment = [](const std::string& name) {
    return name == "KEY" ? std::optional(std::string(kSecret)) : std::nullopt;
  };
  sources.read_file = [](const std::string& path) -> weir::Result<std::string> {
    if (path == "/etc/weir/f") return std::string(kSecret) + "\n";
    return weir::fail(weir::ErrorCode::kIo, "no such file");
  };
  std::string_view text(reinterpret_cast<const char*>(data), size);
  weir::SettingsOutcome outcome = weir::parse_settings(text, sources);
  WEIR_ASSERT(outcome.settings.has_value() == outcome.problems.empty());
  WEIR_ASSERT(outcome.problems.size() <= 100);
  for (const weir::SettingsProblem& problem : outcome.problems) {
    WEIR_ASSERT(problem.line >= 1 && problem.column >= 1);
    if (!text.contains(kSecret)) WEIR_ASSERT(!to_string(problem, "f").contains(kSecret));
  }
  if (outcome.settings) WEIR_ASSERT(!outcome.settings->server.listen.empty());
  return 0;
}
