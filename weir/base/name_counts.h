// NameCounts: how many of something each name has at the moment (connections of an address, requests of a
// key). A name without any costs no memory. A tree, not a hash table: the names come from strangers.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace weir {

class NameCounts {
 public:
  /// One more; how many it are now.
  size_t add(std::string_view name) {
    auto at = counts_.find(name);
    if (at == counts_.end()) at = counts_.emplace(std::string(name), 0).first;
    return ++at->second;
  }

  /// One less. A name that has none is passed over.
  void remove(std::string_view name) {
    auto at = counts_.find(name);
    if (at != counts_.end() && --at->second == 0) counts_.erase(at);
  }

  size_t names() const { return counts_.size(); }

 private:
  std::map<std::string, size_t, std::less<>> counts_;
};

}  // namespace weir
