#include "weir/base/settings_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>
#include <tuple>
#include <utility>

#include "weir/base/assert.h"

namespace weir {
namespace {

constexpr size_t kProblemsMax = 100;
constexpr size_t kTextMax = 64 << 10;  // of a value after its references are resolved

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_word(std::string_view text) {
  auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && first(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return first(c) || (c >= '0' && c <= '9'); });
}

// A key is quoted in a problem only if it looks like one of ours: a secret that slipped out of its place (a
// missing "key:") must not reach a log.
bool quotable(std::string_view key) {
  return key.size() <= 32 &&
         std::ranges::all_of(key, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// Number of letters to insert, remove, replace or swap with a neighbour (optimal string alignment) to turn
// one word into the other. Words are keys of at most 32 letters here.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j)
    d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string_view what_it_is(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "is empty";
    case YamlNode::Kind::kScalar:
      return "is a single value";
    case YamlNode::Kind::kList:
      return "is a list";
    case YamlNode::Kind::kMap:
      break;
  }
  return "is a map";
}

}  // namespace

// ---- SettingsReader

void SettingsReader::problem(const SettingsPlace& at, std::string message) {
  WEIR_ASSERT(at.node != nullptr);
  if (!full()) problems_.push_back({at.node->line, at.node->column, at.path, std::move(message)});
}

bool SettingsReader::full() const {
  return problems_.size() >= kProblemsMax;
}

std::vector<SettingsProblem> SettingsReader::take_problems() {
  std::ranges::sort(problems_, {}, [](const SettingsProblem& p) {
    return std::tuple<int, int, std::string_view, std::string_view>(p.line, p.column, p.path, p.message);
  });
  return std::exchange(problems_, {});
}

std::string SettingsReader::resolved(std::string path) const {
  if (path.starts_with('/') || sources_.base_directory.empty()) return path;
  return sources_.base_directory + (sources_.base_directory.ends_with('/') ? "" : "/") + path;
}

std::optional<std::string> SettingsReader::reference(const SettingsPlace& at, std::string_view inside) {
  if (inside.starts_with("env:")) {
    std::string name(inside.substr(4));
    if (!is_word(name)) {
      problem(at, "the name in ${env:NAME} is made of letters, digits and _");
      return std::nullopt;
    }
    std::optional<std::string> value = sources_.environment ? sources_.environment(name) : std::nullopt;
    if (!value) problem(at, fmt::format("the environment variable {} is not set", name));
    return value;
  }
  if (inside.starts_with("file:") && inside.size() > 5 && !std::ranges::any_of(inside, is_control)) {
    std::string path = resolved(std::string(inside.substr(5)));
    auto [found, is_new] = files_.try_emplace(path);
    Result<std::string>& content = found->second;
    if (is_new) {
      content = sources_.read_file ? sources_.read_file(path)
                                   : fail(ErrorCode::kConfig, "files are not available here");
      while (content && (content->ends_with('\n') || content->ends_with('\r')))
        content->pop_back();
    }
    if (content) return *content;
    problem(at, fmt::format("the file {} cannot be read: {}", path, content.error().message));
    return std::nullopt;
  }
  problem(at, "after ${ comes env:NAME} or file:PATH}; write $${ for the characters themselves");
  return std::nullopt;
}

std::optional<SettingsReader::Text> SettingsReader::text(const SettingsPlace& at) {
  if (at.node->kind != YamlNode::Kind::kScalar) {
    problem(at, fmt::format("must be a single value; it {}", what_it_is(*at.node)));
    return std::nullopt;
  }
  Text text;
  std::string_view rest = at.node->text;
  while (!rest.empty()) {
    size_t dollar = std::min(rest.find("${"), rest.size());
    bool escaped = dollar > 0 && dollar < rest.size() && rest[dollar - 1] == '$';
    text.value += rest.substr(0, escaped ? dollar - 1 : dollar);
    rest.remove_prefix(dollar);
    if (rest.empty()) break;
    rest.remove_prefix(2);
    if (escaped) {
      text.value += "${";
      continue;
    }
    size_t close = rest.find('}');
    if (close == std::string_view::npos) {
      problem(at, "${ without its }; write $${ for the characters themselves");
      return std::nullopt;
    }
    text.written = false;
    std::optional<std::string> value = reference(at, rest.substr(0, close));
    if (!value) return std::nullopt;
    if (text.value.size() + value->size() > kTextMax) {
      problem(at, "its reference is larger than 64 KiB");
      return std::nullopt;
    }
    text.value += *value;
    rest.remove_prefix(close + 1);
  }
  return text;
}

std::optional<std::string> SettingsReader::bounded_text(const SettingsPlace& at, int64_t min, int64_t max) {
  std::optional<Text> text = this->text(at);
  if (!text) return std::nullopt;
  auto size = static_cast<int64_t>(text->value.size());
  if (size < min || size > max) {
    if (size == 0)
      problem(at, "must not be empty");
    else
      problem(at, min == max ? fmt::format("must have {} characters", min)
                             : fmt::format("must have {} to {} characters", min, max));
    return std::nullopt;
  }
  if (std::ranges::any_of(text->value, is_control)) {
    problem(at, "must be one line without control characters");
    return std::nullopt;
  }
  return std::move(text->value);
}

std::optional<bool> SettingsReader::boolean(const SettingsPlace& at) {
  std::optional<Text> text = this->text(at);
  if (!text) return std::nullopt;
  if (at.node->quoted && text->written) {
    problem(at, "must be true or false, without quotes");
    return std::nullopt;
  }
  if (text->value == "true") return true;
  if (text->value == "false") return false;
  problem(at, "must be true or false");
  return std::nullopt;
}

std::vector<SettingsReader::Entry> SettingsReader::entries(const SettingsPlace& at) {
  std::vector<Entry> result;
  if (at.node->kind != YamlNode::Kind::kMap) {
    problem(at, fmt::format("must be a map of keys and values; it {}", what_it_is(*at.node)));
    return result;
  }
  std::map<std::string_view, int> seen;
  for (const auto& [key, value] : at.node->entries) {
    if (key->kind != YamlNode::Kind::kScalar) {
      problem({key, at.path}, "a key must be a word");
      continue;
    }
    auto [first, is_new] = seen.try_emplace(key->text, key->line);
    if (!is_new) {
      problem({key, at.path},
              quotable(key->text)
                  ? fmt::format("the key \"{}\" is already in line {}", key->text, first->second)
                  : fmt::format("this key is already in line {}", first->second));
      continue;
    }
    std::string path = at.path;
    if (quotable(key->text)) path += (path.empty() ? "" : ".") + key->text;
    result.push_back({key->text, {key, at.path}, {value, std::move(path)}});
  }
  return result;
}

// ---- SettingsSection

SettingsSection::SettingsSection(SettingsReader& reader, SettingsPlace place, std::string_view section)
    : reader_(reader), place_(std::move(place)), section_(section) {
  if (!place_) return;
  if (place_.node->kind != YamlNode::Kind::kMap) {
    reader_.entries(place_);  // complains
    place_.node = nullptr;
    return;
  }
  auto in_section = [&](const SettingsKey& row) { return row.section == section_; };
  for (SettingsReader::Entry& entry : reader_.entries(place_)) {
    auto is_it = [&](const SettingsKey& row) { return in_section(row) && row.key == entry.key; };
    if (std::ranges::none_of(settings_keys(), is_it))
      unknown(entry);
    else if (entry.value.node->kind != YamlNode::Kind::kNull)
      found_.emplace(entry.key, std::move(entry.value));
  }
  for (const SettingsKey& row : settings_keys() | std::views::filter(in_section))
    if (row.required && !has(row.key)) reader_.problem(place_, fmt::format("\"{}\" is missing", row.key));
}

void SettingsSection::unknown(const SettingsReader::Entry& entry) {
  if (reader_.full()) return;
  std::string_view key = entry.key;
  const SettingsKey* nearest = nullptr;
  const SettingsKey* elsewhere = nullptr;
  size_t elsewhere_count = 0, best = std::min<size_t>(3, key.size() / 3 + 1) + 1;
  for (const SettingsKey& row : settings_keys()) {
    if (row.section == section_ && key.size() <= 32) {
      size_t distance = edits(key, row.key);
      if (distance < best) {
        best = distance;
        nearest = &row;
      }
    } else if (row.key == key) {
      elsewhere = &row;
      ++elsewhere_count;
    }
  }
  std::string message = quotable(key) ? fmt::format("unknown key \"{}\"", key) : "unknown key";
  if (elsewhere_count == 1)
    message += elsewhere->section.empty() ? "; it belongs to the top level"
                                          : fmt::format("; it belongs to \"{}\"", elsewhere->section);
  else if (nearest)
    message += fmt::format("; did you mean \"{}\"?", nearest->key);
  reader_.problem(entry.key_place, std::move(message));
}

SettingsPlace SettingsSection::at(std::string_view key) const {
  auto found = found_.find(key);
  if (found != found_.end()) return found->second;
  return {nullptr, place_.path.empty() ? std::string(key) : fmt::format("{}.{}", place_.path, key)};
}

const SettingsKey& SettingsSection::row(std::string_view key) const {
  auto found = std::ranges::find_if(
      settings_keys(), [&](const SettingsKey& row) { return row.section == section_ && row.key == key; });
  WEIR_ASSERT(found != settings_keys().end());
  return *found;
}

std::optional<int64_t> SettingsSection::integer(std::string_view key) {
  const SettingsKey& rule = row(key);
  WEIR_ASSERT(rule.type == SettingsKey::Type::kInteger);
  SettingsPlace place = at(key);
  if (!place) return std::nullopt;
  std::optional<SettingsReader::Text> text = reader_.text(place);
  if (!text) return std::nullopt;
  const char* end = text->value.data() + text->value.size();
  int64_t value = 0;
  auto [stop, error] = std::from_chars(text->value.data(), end, value);
  if (place.node->quoted && text->written) {
    reader_.problem(place, "must be a whole number, without quotes");
  } else if (error == std::errc::invalid_argument || stop != end) {
    reader_.problem(place, fmt::format("must be a whole number from {} to {}", rule.min, rule.max));
  } else if (error != std::errc() || value < rule.min || value > rule.max) {
    reader_.problem(place, fmt::format("must be from {} to {}", rule.min, rule.max));
  } else {
    return value;
  }
  return std::nullopt;
}

void SettingsSection::read(std::string_view key, int64_t& out) {
  if (std::optional<int64_t> value = integer(key)) out = *value;
}
void SettingsSection::read(std::string_view key, std::optional<int64_t>& out) {
  if (std::optional<int64_t> value = integer(key)) out = value;
}
void SettingsSection::read(std::string_view key, milliseconds& out) {
  if (std::optional<int64_t> value = integer(key)) out = milliseconds(*value);
}
void SettingsSection::read(std::string_view key, std::optional<milliseconds>& out) {
  if (std::optional<int64_t> value = integer(key)) out = milliseconds(*value);
}

void SettingsSection::read(std::string_view key, bool& out) {
  WEIR_ASSERT(row(key).type == SettingsKey::Type::kBoolean);
  if (!has(key)) return;
  if (std::optional<bool> value = reader_.boolean(at(key))) out = *value;
}

void SettingsSection::read(std::string_view key, std::optional<bool>& out) {
  bool value = false;
  if (!has(key)) return;
  read(key, value);
  out = value;
}

void SettingsSection::read(std::string_view key, std::string& out) {
  const SettingsKey& rule = row(key);
  WEIR_ASSERT(rule.type == SettingsKey::Type::kString || rule.type == SettingsKey::Type::kFile);
  SettingsPlace place = at(key);
  if (!place) return;
  std::optional<std::string> value = reader_.bounded_text(place, rule.min, rule.max);
  if (!value) return;
  out = rule.type == SettingsKey::Type::kFile && *value != "-" ? reader_.resolved(*std::move(value))
                                                               : *std::move(value);
}

void SettingsSection::read(std::string_view key, Secret& out) {
  const SettingsKey& rule = row(key);
  WEIR_ASSERT(rule.type == SettingsKey::Type::kSecret);
  SettingsPlace place = at(key);
  if (!place) return;
  if (std::optional<std::string> value = reader_.bounded_text(place, rule.min, rule.max))
    out = Secret(*std::move(value));
}

std::optional<int> SettingsSection::choice(std::string_view key) {
  const SettingsKey& rule = row(key);
  WEIR_ASSERT(rule.type == SettingsKey::Type::kChoice);
  SettingsPlace place = at(key);
  if (!place) return std::nullopt;
  std::optional<SettingsReader::Text> text = reader_.text(place);
  if (!text) return std::nullopt;
  std::string names;
  int index = 0;
  for (auto part : rule.choices | std::views::split('|')) {
    std::string_view name(part.begin(), part.end());
    if (text->value == name) return index;
    names += fmt::format("{}{}", index == 0 ? "" : ", ", name);
    ++index;
  }
  reader_.problem(place, fmt::format("must be one of: {}", names));
  return std::nullopt;
}

SettingsSection SettingsSection::section(std::string_view key) {
  WEIR_ASSERT(row(key).type == SettingsKey::Type::kSection);
  return SettingsSection(reader_, at(key), section_.empty() ? key : fmt::format("{}.{}", section_, key));
}

std::vector<SettingsPlace> SettingsSection::list(std::string_view key) {
  const SettingsKey& rule = row(key);
  SettingsPlace place = at(key);
  std::vector<SettingsPlace> result;
  if (!place) return result;
  if (place.node->kind != YamlNode::Kind::kList) {
    if (rule.type == SettingsKey::Type::kOneOrList)
      result.push_back(std::move(place));
    else
      reader_.problem(place, fmt::format("must be a list; it {}", what_it_is(*place.node)));
    return result;
  }
  auto count = static_cast<int64_t>(place.node->items.size());
  if (count < rule.min) reader_.problem(place, "must have at least one entry");
  if (count > rule.max) {
    reader_.problem(place, fmt::format("must have at most {} entries", rule.max));
    return result;
  }
  for (size_t i = 0; i < place.node->items.size(); ++i)
    result.push_back({place.node->items[i], fmt::format("{}[{}]", place.path, i)});
  return result;
}

std::vector<SettingsReader::Entry> SettingsSection::map(std::string_view key) {
  const SettingsKey& rule = row(key);
  WEIR_ASSERT(rule.type == SettingsKey::Type::kMap);
  SettingsPlace place = at(key);
  if (!place) return {};
  if (place.node->kind == YamlNode::Kind::kMap &&
      static_cast<int64_t>(place.node->entries.size()) > rule.max) {
    reader_.problem(place, fmt::format("must have at most {} entries", rule.max));
    return {};
  }
  return reader_.entries(place);
}

}  // namespace weir
