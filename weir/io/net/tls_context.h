// What TLS connections have in common: the server's certificate, and the client's trust and the sessions it
// may resume. One set a loop (OpenSSL locks what is shared, so nothing is). TLS 1.2 and newer, ALPN http/1.1.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/io/network.h"

namespace weir::io::net {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslFree>;
using Ssl = std::unique_ptr<SSL, SslFree>;
using SslSession = std::unique_ptr<SSL_SESSION, SslFree>;

/// Errors: kConfig when the PEM texts do not parse or do not fit each other.
Result<SslContext> make_server_context(const TlsServerOptions& options);

/// The client side of one loop: a context for each set of trusted authorities, made when first used.
class TlsClients {
 public:
  static constexpr size_t kSessionsMax = 256;  // a context; one for each server name

  /// A connection that will accept only `options.server_name` (a name or an IP literal). Errors: kUpstream.
  Result<Ssl> make(const TlsClientOptions& options);

 private:
  struct Trust {
    SslContext context;
    std::unordered_map<std::string, SslSession> sessions;
  };
  Result<Trust*> trust(const std::string& ca_pem);
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  std::unordered_map<std::string, std::unique_ptr<Trust>> trusts_;  // by ca_pem; few (one a provider setting)
};

/// OpenSSL's reasons for the last failure on this thread, emptied.
std::string tls_reasons();

}  // namespace weir::io::net
