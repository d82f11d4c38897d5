#include "weir/app/config_file.h"

#include <fmt/format.h>

#include "weir/base/settings_shown.h"

namespace weir::app {
namespace {

constexpr size_t kConfigBytesMax = 1 << 20;
constexpr size_t kSecretBytesMax = 64 << 10;

// What is wrong with a file that the settings name; empty: nothing.
std::string file_trouble(io::Disk& disk, const std::string& path, std::string_view what, bool executable) {
  if (path.empty()) return {};
  auto info = disk.stat(path);
  if (!info) return fmt::format("{}: {}", what, info.error().message);
  if (info->directory) return fmt::format("{}: {} is a directory", what, path);
  if (info->bytes == 0) return fmt::format("{}: {} is empty", what, path);
  if (executable && !info->executable) return fmt::format("{}: {} is not executable", what, path);
  return {};
}

// Files without which nothing can be served: a typo is found now, not at the first request.
std::string needed_files(const Settings& settings, io::Disk& disk) {
  std::string problems;
  auto need = [&](const std::string& path, std::string_view what) {
    if (std::string trouble = file_trouble(disk, path, what, false); !trouble.empty())
      problems += trouble + "\n";
  };
  if (settings.server.tls) {
    need(settings.server.tls->certificate, "server.tls.certificate");
    need(settings.server.tls->private_key, "server.tls.private_key");
  }
  for (const ProviderSettings& p : settings.providers)
    need(p.ca_file, fmt::format("provider {}: ca_file", p.name));
  if (auto info = disk.stat(settings.data.directory); info && !info->directory)
    problems += fmt::format("data.directory: {} is not a directory\n", settings.data.directory);
  return problems;
}

}  // namespace

Result<std::shared_ptr<const Settings>> read_settings(std::string_view yaml, const std::string& name,
                                                      const std::string& directory, io::Disk& disk,
                                                      io::Processes& processes) {
  SettingsSources sources;
  sources.read_file = [&](const std::string& path) { return disk.read_file(path, kSecretBytesMax); };
  sources.environment = [&](const std::string& variable) -> std::optional<std::string> {
    std::string value = processes.environment(variable);
    if (value.empty()) return std::nullopt;
    return value;
  };
  sources.base_directory = directory;
  SettingsOutcome outcome = parse_settings(yaml, sources);
  std::string problems;
  for (const SettingsProblem& problem : outcome.problems)
    problems += to_string(problem, name) + "\n";
  if (outcome.settings) problems += needed_files(*outcome.settings, disk);
  if (!problems.empty() || !outcome.settings) {
    if (problems.ends_with('\n')) problems.pop_back();
    return fail(ErrorCode::kConfig, problems);
  }
  return std::make_shared<const Settings>(*std::move(outcome.settings));
}

std::string shown_config(std::string_view yaml) {
  auto tree = parse_yaml(yaml);
  return tree ? shown_settings(*tree->root) : std::string();
}

std::string shown_config_file(const std::string& path, io::Disk& disk) {
  auto yaml = disk.read_file(path, kConfigBytesMax);
  return yaml ? shown_config(*yaml) : std::string();
}

std::vector<std::string> local_file_problems(const Settings& settings, io::Disk& disk) {
  std::vector<std::string> problems;
  auto need = [&](const std::string& path, const std::string& what, bool executable) {
    if (std::string trouble = file_trouble(disk, path, what, executable); !trouble.empty())
      problems.push_back(std::move(trouble));
  };
  for (const ProviderSettings& p : settings.providers) {
    for (const LocalChatSettings& chat : p.chat) {
      need(chat.server, fmt::format("provider {}: chat {}: server", p.name, chat.name), true);
      need(chat.model, fmt::format("provider {}: chat {}: model", p.name, chat.name), false);
    }
    for (const LocalEmbeddingsSettings& e : p.embeddings) {
      need(e.library, fmt::format("provider {}: embeddings {}: library", p.name, e.name), false);
      need(e.model, fmt::format("provider {}: embeddings {}: model", p.name, e.name), false);
      need(e.tokenizer, fmt::format("provider {}: embeddings {}: tokenizer", p.name, e.name), false);
    }
  }
  return problems;
}

Result<std::shared_ptr<const Settings>> load_settings(const std::string& path, io::Disk& disk,
                                                      io::Processes& processes) {
  TRY(std::string yaml, disk.read_file(path, kConfigBytesMax));
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  return read_settings(yaml, path, directory, disk, processes);
}

}  // namespace weir::app
