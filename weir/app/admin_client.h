// The commands' side of the control plane: one request to a running weir, over our own HTTP client.
#pragma once

#include <string>

#include "weir/base/result.h"
#include "weir/base/secret.h"

namespace weir::app {

/// Where it is and who asks: options that every command of the control plane has.
struct AdminAccess {
  std::string url = "http://127.0.0.1:8080";  // or unix:/path
  std::string key_file;                       // empty: WEIR_ADMIN_KEY
  std::string ca_file;                        // with https; empty: the system's authorities
};

/// Blocks. The body of a good answer. Errors: one sentence for whoever typed the command; of a refusal what
/// weir said.
Result<std::string> ask_admin(const AdminAccess& access, const std::string& method, const std::string& target,
                              const std::string& body = {});

/// %XX for everything that could end a part of a path or a query.
std::string percent_encoded(std::string_view text);

}  // namespace weir::app
