// Network: where streams come from. One a loop. TLS is decided here, so that nothing above sees the
// difference.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/io/address.h"
#include "weir/io/stream.h"
#include "weir/io/task.h"

namespace weir::io {

/// Server side TLS; PEM files are read when the listener opens. Thread-safe once made (shared by the loops).
struct TlsServerOptions {
  std::string certificate_pem;  // chain, leaf first
  std::string private_key_pem;
};

struct TlsClientOptions {
  std::string server_name;  // SNI and the name the certificate must hold
  std::string ca_pem;       // trust these instead of the system's store; empty: the system's
};

struct ConnectOptions {
  bool tls = false;
  TlsClientOptions tls_options;
};

/// An open listener; destroying it stops listening. Streams it accepted live on.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Address local() const = 0;  // with the port the system chose
};

class Network {
 public:
  virtual ~Network() = default;

  /// Resolves (cached), connects (each address in turn) and, if asked, shakes hands. Errors: kUpstream with
  /// the reason for the operator; kCancelled when `cancel` ended it.
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Address to, const ConnectOptions& options,
                                                        Cancel& cancel) = 0;

  /// Opens a listener (several loops may open the same TCP address: the kernel spreads connections over
  /// them). `accepted` is called on this loop for each connection; with TLS, after the handshake. Errors:
  /// kIo.
  struct ListenOptions {
    int backlog = 4096;
    bool shared_port = true;  // SO_REUSEPORT between our own loops; false: fail when anyone listens there
    const TlsServerOptions* tls = nullptr;
    Duration handshake_timeout = seconds(10);
  };
  virtual Result<std::unique_ptr<Listener>> listen(const Address& at, const ListenOptions& options,
                                                   std::function<void(std::unique_ptr<Stream>)> accepted) = 0;
};

}  // namespace weir::io
