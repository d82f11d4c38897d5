// SimTree: the names of the simulated disk, by absolute path. Every change of a name (made, replaced,
// removed) is at once visible and becomes durable when its directory is synced; at a power cut each name goes
// back, by chance, to any state it had since then, each name for itself. (Real file systems keep more order
// between names than that; POSIX promises no more.)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/sim/sim_file.h"

namespace weir::io::sim {

struct SimNode {
  std::shared_ptr<SimFile> file;  // null: a directory
  uint32_t mode = 0;

  bool directory() const { return !file; }
};

/// "/a/b" of "/a/./x/../b/" and of "a/b": the working directory is the root.
std::string absolute_path(std::string_view path);
/// "/a" of "/a/b"; "/" of "/a". Requires: an absolute path other than the root.
std::string parent_path(std::string_view path);

class SimTree {
 public:
  /// Nullptr: there is none. Paths of all methods are absolute_path()s.
  const SimNode* find(const std::string& path) const;
  /// 0, or ENOENT or ENOTDIR: what the system says of a path whose parent is no directory.
  int parent_error(const std::string& path) const;
  /// Makes the name or gives it another file. Requires: its parent is a directory.
  void set(const std::string& path, SimNode node);
  /// The name and everything below it.
  void remove(const std::string& path);
  std::vector<std::string> list(const std::string& directory) const;  // names in it, sorted

  void sync(const std::string& directory);
  void power_cut(Chance& chance);

 private:
  using State = std::optional<SimNode>;  // nullopt: there is no such name
  /// The first is durable, the last is what is seen; never empty.
  struct Name {
    std::vector<State> states;
  };
  static void change(Name& name, State state);

  std::map<std::string, Name> names_;
};

}  // namespace weir::io::sim
