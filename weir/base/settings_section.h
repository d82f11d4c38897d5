// How parse_settings reads: a SettingsReader collects problems and resolves references; a SettingsSection is
// one map of the file with its keys checked against settings_keys(). A value that is wrong leaves its target
// at the default and adds a problem, so reading goes on to the next. Used by settings_parse.cc alone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/settings.h"
#include "weir/base/settings_yaml.h"

namespace weir {

/// A node and what the operator would call it. No node: the key is not in the file.
struct SettingsPlace {
  const YamlNode* node = nullptr;
  std::string path;
  explicit operator bool() const { return node != nullptr; }
};

class SettingsReader {
 public:
  /// Borrows `sources` for its life.
  explicit SettingsReader(const SettingsSources& sources) : sources_(sources) {}

  void problem(const SettingsPlace& at, std::string message);
  /// The problems in file order.
  std::vector<SettingsProblem> take_problems();
  bool clean() const { return problems_.empty(); }
  /// No more problems are kept; an answer to "what is wrong" need not be worked out.
  bool full() const;

  struct Text {
    std::string value;
    bool written = true;  // exactly as in the file: holds no reference
  };
  /// The scalar at a place with references resolved; a problem and nullopt when it is none.
  std::optional<Text> text(const SettingsPlace& at);
  /// As text(), for a value of `min` to `max` bytes without control characters.
  std::optional<std::string> bounded_text(const SettingsPlace& at, int64_t min, int64_t max);
  std::optional<bool> boolean(const SettingsPlace& at);
  /// An environment variable, where there is one.
  std::optional<std::string> variable(std::string_view name) const {
    return sources_.environment ? sources_.environment(std::string(name)) : std::nullopt;
  }
  struct Entry {
    std::string_view key;
    SettingsPlace key_place;  // for complaints about the key
    SettingsPlace value;
  };
  /// The map at a place: word keys, each once. Keys that are not are problems and left out.
  std::vector<Entry> entries(const SettingsPlace& at);
  /// Relative to the folder of the configuration file.
  std::string resolved(std::string path) const;

 private:
  std::optional<std::string> reference(const SettingsPlace& at, std::string_view inside);

  const SettingsSources& sources_;
  std::vector<SettingsProblem> problems_;
  std::map<std::string, Result<std::string>> files_;  // each is read once, however often it is named
};

class SettingsSection {
 public:
  /// An absent place is a section without keys (and without complaints about required ones).
  SettingsSection(SettingsReader& reader, SettingsPlace place, std::string_view section);

  bool has(std::string_view key) const { return static_cast<bool>(at(key)); }
  /// Where the key is, or an absent place with its path.
  SettingsPlace at(std::string_view key) const;
  /// Where the section itself is.
  const SettingsPlace& place() const { return place_; }

  // Each reads the key's value into `out` by its row of the table; an absent key leaves `out` alone.
  void read(std::string_view key, int64_t& out);
  void read(std::string_view key, std::optional<int64_t>& out);
  void read(std::string_view key, milliseconds& out);
  void read(std::string_view key, std::optional<milliseconds>& out);
  void read(std::string_view key, bool& out);
  void read(std::string_view key, std::optional<bool>& out);
  void read(std::string_view key, std::string& out);
  void read(std::string_view key, Secret& out);
  template <class Enum>
  void read_choice(std::string_view key, Enum& out) {
    if (std::optional<int> index = choice(key)) out = static_cast<Enum>(*index);
  }
  template <class Enum>
  void read_choice(std::string_view key, std::optional<Enum>& out) {
    if (std::optional<int> index = choice(key)) out = static_cast<Enum>(*index);
  }

  SettingsSection section(std::string_view key);
  std::vector<SettingsPlace> list(std::string_view key);
  std::vector<SettingsReader::Entry> map(std::string_view key);

 private:
  const SettingsKey& row(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key);
  std::optional<int> choice(std::string_view key);
  void unknown(const SettingsReader::Entry& entry);

  SettingsReader& reader_;
  SettingsPlace place_;
  std::string section_;
  std::map<std::string_view, SettingsPlace, std::less<>> found_;
};

}  // namespace weir
