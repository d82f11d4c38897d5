// How an address that weir asks by itself (an issuer's keys, a receiver of alerts) is connected to: one
// connection, TLS for https with the host's name checked against `ca_pem`, or the system's authorities
// where that is empty.
#pragma once

#include <string>

#include "weir/base/fetch_url.h"
#include "weir/http/client.h"

namespace weir::http {

inline ClientOptions options_of(const FetchUrl& url, const std::string& ca_pem) {
  ClientOptions options;
  options.address = {io::Address::Kind::kTcp, url.origin.host, url.origin.port};
  options.connect.tls = url.origin.scheme == BaseUrl::Scheme::kHttps;
  options.connect.tls_options = {url.origin.host, ca_pem};
  options.connections_max = 1;
  return options;
}

}  // namespace weir::http
