// Discovery: the models that providers list themselves, for those whose configuration names a pattern instead
// of models. A provider is asked when somebody wants the list, by one asker at a time; what it said is good
// for kListFresh. One that fails keeps its last list and is asked again after kListRetry. One a core and
// configuration.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/upstream/provider/provider.h"

namespace weir::upstream {

inline constexpr Duration kListFresh = seconds(30);
inline constexpr Duration kListRetry = seconds(5);
inline constexpr Duration kListMax = seconds(2);  // for all that is asked at once

class Discovery {
 public:
  Discovery(io::Loop& loop, const std::vector<std::unique_ptr<Provider>>& providers,
            const Settings& settings);

  /// Those that a provider's pattern lets callers ask for, in the configuration's order, each with the
  /// provider that would be asked for it. Within kListMax; of a provider that does not answer, what it said
  /// last.
  io::Task<std::vector<wire::ListedModel>> models(io::Cancel& cancel);

 private:
  struct List {
    Provider& provider;
    std::vector<wire::ListedModel> models;
    MonoTime good_until{};  // asked again after it
    bool asking = false;
    io::Event told;
  };
  io::Task<void> refresh(List& list, io::Cancel& scope);

  io::Loop& loop_;
  const Settings& settings_;
  std::vector<std::unique_ptr<List>> lists_;
};

}  // namespace weir::upstream
