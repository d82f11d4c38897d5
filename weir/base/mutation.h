// Deliberate bugs, to prove that the simulator finds such bugs. They exist in the build preset `mutants` only
// (WEIR_MUTATIONS); anywhere else WEIR_MUTATE(x) is the constant false and nothing is left of it.
//   if (!WEIR_MUTATE(kLostCancel)) call.cancel();
// `weir sim --mutation NAME` plants one; the names are those of the list below without the k, in snake case.
#pragma once

#if WEIR_MUTATIONS
#include <array>
#include <string_view>

namespace weir {

enum class Mutation : unsigned char {
  kNone,
#define WEIR_MUTATION(id, name, what) id,
#include "weir/base/mutations.inc"
#undef WEIR_MUTATION
};

struct MutationRow {
  Mutation mutation;
  std::string_view name;
  std::string_view what;
};
inline constexpr auto kMutations = std::to_array<MutationRow>({
#define WEIR_MUTATION(id, name, what) {Mutation::id, name, what},
#include "weir/base/mutations.inc"
#undef WEIR_MUTATION
});

inline Mutation planted_mutation = Mutation::kNone;  // set once, before anything runs

}  // namespace weir

#define WEIR_MUTATE(id) (::weir::planted_mutation == ::weir::Mutation::id)
#else
#define WEIR_MUTATE(id) false
#endif
