#include "weir/io/sim/sim_network.h"

#include <fmt/format.h>

#include "weir/io/sim/sim_connect.h"
#include "weir/io/sim/sim_loop.h"
#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_ports.h"
#include "weir/io/sim/sim_process.h"
#include "weir/io/sim/sim_stream.h"

namespace weir::io::sim {
namespace {

constexpr Duration kNameLife = seconds(30);

}  // namespace

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect(Address to, const ConnectOptions& options,
                                                          Cancel& cancel) {
  if (!cancel.requested()) {
    Ref<ConnectAttempt> attempt(new ConnectAttempt(net_, loop_, to, options.tls));
    co_await ConnectWait(*attempt, cancel);
    if (attempt->failure().empty()) co_return attempt->take_stream();
    if (!cancel.requested()) {
      const std::string& name =
          options.tls_options.server_name.empty() ? to.host : options.tls_options.server_name;
      Error error = internal_error(
          ErrorCode::kUpstream,
          attempt->tls_failed()
              ? fmt::format("TLS with {} as \"{}\" failed: {}", to.to_string(), name, attempt->failure())
              : fmt::format("cannot connect to {} ({})", to.to_string(), attempt->failure()));
      error.retryable = !attempt->tls_failed();
      co_return Unexpected(std::move(error));
    }
  }
  co_return fail_internal(ErrorCode::kCancelled,
                          fmt::format("connecting to {}: {}", to.to_string(), name(cancel.reason())));
}

Result<std::unique_ptr<Listener>> SimNetwork::listen(const Address& at, const ListenOptions& options,
                                                     std::function<void(std::unique_ptr<Stream>)> accepted) {
  return loop_.process().machine().ports().open(loop_, at, options, std::move(accepted));
}

bool SimNetwork::knows(const std::string& host) const {
  auto found = known_.find(host);
  return found != known_.end() && loop_.now() < found->second;
}

void SimNetwork::remember(const std::string& host) {
  known_.insert_or_assign(host, loop_.now() + kNameLife);
}

}  // namespace weir::io::sim
