// RedisUrl: where a Redis or Valkey is and how to get in: redis://[user:password@]host[:port][/db], rediss://
// with TLS, unix:/path. A value; the password is a secret and in no error.
#pragma once

#include <string>
#include <string_view>

#include "weir/base/secret.h"
#include "weir/io/address.h"

namespace weir::store::redis {

struct RedisUrl {
  io::Address address;
  bool tls = false;
  std::string user;  // empty: the default one
  Secret password;   // empty: none
  int database = 0;

  /// Percent-encoding in user and password is undone. Errors: kConfig; the text is not quoted.
  static Result<RedisUrl> parse(std::string_view text);
};

}  // namespace weir::store::redis
