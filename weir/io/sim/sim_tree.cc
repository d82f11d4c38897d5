#include "weir/io/sim/sim_tree.h"

#include <algorithm>
#include <cerrno>

#include "weir/base/assert.h"

namespace weir::io::sim {
namespace {

// The first path that sorts after everything below `path`.
std::string after_children(const std::string& path) {
  return (path == "/" ? std::string() : path) + '0';  // the character after '/'
}
std::string before_children(const std::string& path) {
  return path == "/" ? path : path + '/';
}

}  // namespace

std::string absolute_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      out.resize(out.empty() ? 0 : out.rfind('/'));
      continue;
    }
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

std::string parent_path(std::string_view path) {
  WEIR_ASSERT(path.size() > 1);
  size_t slash = path.rfind('/');
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

const SimNode* SimTree::find(const std::string& path) const {
  static const SimNode kRoot{nullptr, 0755};
  if (path == "/") return &kRoot;
  auto found = names_.find(path);
  if (found == names_.end()) return nullptr;
  const State& state = found->second.states.back();
  return state ? &*state : nullptr;
}

int SimTree::parent_error(const std::string& path) const {
  if (path == "/") return 0;
  std::string parent = parent_path(path);
  if (const SimNode* node = find(parent)) return node->directory() ? 0 : ENOTDIR;
  int error = parent_error(parent);
  return error == 0 ? ENOENT : error;
}

void SimTree::change(Name& name, State state) {
  State& seen = name.states.back();
  if (seen && seen->file) seen->file->set_named(false);
  if (state && state->file) state->file->set_named(true);
  name.states.push_back(std::move(state));
}

void SimTree::set(const std::string& path, SimNode node) {
  auto [at, made] = names_.try_emplace(path, Name{{std::nullopt}});
  change(at->second, std::move(node));
}

void SimTree::remove(const std::string& path) {
  if (path != "/")
    if (auto at = names_.find(path); at != names_.end() && at->second.states.back())
      change(at->second, std::nullopt);
  for (auto at = names_.lower_bound(before_children(path)), end = names_.lower_bound(after_children(path));
       at != end; ++at)
    if (at->second.states.back()) change(at->second, std::nullopt);
}

std::vector<std::string> SimTree::list(const std::string& directory) const {
  std::string prefix = before_children(directory);
  std::vector<std::string> out;
  for (auto at = names_.lower_bound(prefix), end = names_.lower_bound(after_children(directory)); at != end;
       ++at)
    if (at->second.states.back() && at->first.find('/', prefix.size()) == std::string::npos)
      out.push_back(at->first.substr(prefix.size()));
  return out;
}

void SimTree::sync(const std::string& directory) {
  std::string prefix = before_children(directory);
  for (auto at = names_.lower_bound(prefix), end = names_.lower_bound(after_children(directory));
       at != end;) {
    std::vector<State>& states = at->second.states;
    if (at->first.find('/', prefix.size()) == std::string::npos) {
      states.erase(states.begin(), states.end() - 1);
      if (!states.back()) {
        at = names_.erase(at);
        continue;
      }
    }
    ++at;
  }
}

// Parents sort before what is in them, so a directory's fate is known first. The bytes of files that lost
// their name are nobody's business.
void SimTree::power_cut(Chance& chance) {
  for (auto at = names_.begin(); at != names_.end();) {
    std::vector<State>& states = at->second.states;
    size_t pick = states.size() == 1 ? 0 : chance.below(states.size());
    State left = states[pick];
    const SimNode* parent = find(parent_path(at->first));
    if (!parent || !parent->directory()) left = std::nullopt;
    change(at->second, left);
    states.erase(states.begin(), states.end() - 1);
    if (!left) {
      at = names_.erase(at);
      continue;
    }
    if (left->file) left->file->power_cut(chance);
    ++at;
  }
}

}  // namespace weir::io::sim
