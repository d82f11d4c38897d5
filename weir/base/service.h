// The services that speak OpenAI's wire, each with what sets it apart: where it is, how it wants its key,
// what variable its users keep that key in. A word of providers.kind each; everything else about them is
// OpenAI's.
#pragma once

#include <span>
#include <string_view>

namespace weir {

struct Service {
  std::string_view word;          // of providers.kind
  std::string_view base_url;      // empty: the configuration must say
  std::string_view key_header;    // empty: "Authorization: Bearer"
  std::string_view key_variable;  // read where neither base_url nor api_key is given; empty: none
  bool bills = true;              // false: runs on the user's own machines, nobody charges for it
  bool counts_tokens = false;     // of a chat, where llama.cpp does
};

/// In the order of the words.
std::span<const Service> services();
/// nullptr: there is none of this word.
const Service* service(std::string_view word);

}  // namespace weir
