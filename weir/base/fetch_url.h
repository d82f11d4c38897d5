// FetchUrl: a web address that weir asks by itself, as an issuer's keys: https with a host, or http where the
// host is written as this machine (localhost, 127.x.x.x, [::1]): those bytes never leave it. No user,
// password or fragment. A value.
#pragma once

#include <string>
#include <string_view>

#include "weir/base/settings.h"

namespace weir {

struct FetchUrl {
  BaseUrl origin;      // without a path
  std::string target;  // "/path?query": never empty

  /// Errors: kConfig with the reason; the text is not quoted.
  static Result<FetchUrl> parse(std::string_view text);
  std::string host_header() const;
  friend bool operator==(const FetchUrl&, const FetchUrl&) = default;
};

/// Is `host` (a name or a literal without brackets) this machine?
bool names_this_machine(std::string_view host);
/// Is it an address, and not one of the public Internet (RFC 1918, link-local, loopback, ULA, ...)? A name
/// never is.
bool is_private_address(std::string_view host);

}  // namespace weir
