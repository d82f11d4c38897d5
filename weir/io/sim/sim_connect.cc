#include "weir/io/sim/sim_connect.h"

#include <fmt/format.h>

#include "weir/io/sim/sim_machine.h"
#include "weir/io/sim/sim_net.h"
#include "weir/io/sim/sim_ports.h"
#include "weir/io/sim/sim_process.h"
#include "weir/io/sim/sim_stream.h"

namespace weir::io::sim {
namespace {

constexpr Duration kGivenUpAfter = seconds(127);  // Linux: six repetitions
constexpr Duration kNoRouteAfter = seconds(3);

}  // namespace

ConnectWait::~ConnectWait() {
  attempt_.wait_ = nullptr;
}

void ConnectWait::await_suspend(std::coroutine_handle<> h) {
  waiter_ = h;
  attempt_.wait_ = this;
  cancel_.add(*this);
  attempt_.begin();
}

void ConnectWait::on_cancel(CancelReason) {
  attempt_.physics_.schedule(attempt_.physics_.soon(), attempt_, ConnectAttempt::kCancelled);
}

ConnectAttempt::ConnectAttempt(SimNet& net, SimLoop& loop, const Address& to, bool tls)
    : net_(net), physics_(net.physics()), loop_(&loop), to_(to), tls_(tls), from_(loop.process().machine()) {}

ConnectAttempt::~ConnectAttempt() = default;

void ConnectAttempt::begin() {
  if (!loop_->alive()) return process_died();
  loop_->process().add(*this);
  if (to_.kind == Address::Kind::kUnix || SimNet::loopback(to_.host)) {
    target_ = &from_;
    return travel();
  }
  if (!SimNet::literal(to_.host) && !loop_->sim_network().knows(to_.host))
    return physics_.schedule(
        physics_.chance().between(physics_.faults().latency_min, physics_.faults().latency_max) * 2, *this,
        kLookedUp);
  target_ = net_.find(to_.host);
  travel();
}

void ConnectAttempt::looked_up() {
  target_ = net_.find(to_.host);
  bool failed = physics_.chance().happens(physics_.faults().resolver_fails);
  if (failed) physics_.trace("{} cannot look up {} by fault", from_.name(), to_.host);
  if (!target_ || failed)
    return finish(fmt::format("cannot resolve {}: {}", to_.host,
                              failed ? "Temporary failure in name resolution" : "Name or service not known"));
  loop_->sim_network().remember(to_.host);
  travel();
}

void ConnectAttempt::travel() {
  if (!target_) {
    failure_ = "No route to host";
    return physics_.schedule(kNoRouteAfter, *this, kRefused);
  }
  physics_.schedule(net_.latency(from_, *target_), *this, kArrives);
}

void ConnectAttempt::arrive() {
  const Faults& faults = physics_.faults();
  Chance& chance = physics_.chance();
  bool remote = target_ != &from_;
  auto note = [&](std::string_view what) {
    physics_.trace("{} > {}  connection to {} {}", from_.name(), target_->name(), to_.to_string(), what);
  };
  if (!net_.passes(from_, *target_)) {
    note("is lost");
    return physics_.schedule(kGivenUpAfter, *this, kLost);
  }
  if (remote && chance.happens(faults.unanswered)) {
    note("unanswered by fault");
    return physics_.schedule(kGivenUpAfter, *this, kLost);
  }
  bool refused = remote && chance.happens(faults.refused);
  std::shared_ptr<SimPort> port;
  if (!refused) port = target_->ports().choose(to_, !remote, chance);
  Duration back = net_.latency(*target_, from_);
  if (!port || !port->loop->runs()) {
    note(refused ? "refused by fault" : "refused");
    failure_ = to_.kind == Address::Kind::kUnix ? "No such file or directory" : "Connection refused";
    return answer_with(kRefused, back);
  }
  if (tls_) back += net_.latency(from_, *target_) + net_.latency(*target_, from_);
  Ref<SimConnection> connection(
      new SimConnection(net_, *loop_, *port->loop, to_.kind == Address::Kind::kUnix, back));
  stream_ = std::make_unique<SimStream>(connection, 0);
  auto accepted = std::make_unique<SimStream>(connection, 1);
  tls_mismatch_ = tls_ && !port->tls;
  answer_with(kAnswered, back);
  // A client without TLS never gets past a TLS listener's handshake; it is closed unseen.
  if (port->tls && !tls_) return accepted.reset();
  port->accepted(std::move(accepted));
}

void ConnectAttempt::answer_with(What what, Duration after) {
  if (net_.passes(*target_, from_))
    physics_.schedule(after, *this, what);
  else
    physics_.schedule(kGivenUpAfter, *this, kLost);
}

void ConnectAttempt::happen(uint32_t what) {
  if (ended_ || !loop_->runs()) return;
  switch (static_cast<What>(what)) {
    case kLookedUp:
      return looked_up();
    case kArrives:
      return arrive();
    case kAnswered:
      if (!tls_mismatch_) return finish({});
      tls_failed_ = true;
      return finish("wrong version number");
    case kRefused:
      return finish(fmt::format("{}: {}", peer_text(), failure_));
    case kLost:
      return finish(fmt::format("{}: Connection timed out", peer_text()));
    case kCancelled:
      stream_.reset();
      return finish("cancelled");
    case kDied:
      return finish("the process was killed");
  }
}

std::string ConnectAttempt::peer_text() const {
  Address text = to_;
  if (target_ && !SimNet::loopback(to_.host) && to_.kind == Address::Kind::kTcp) text.host = target_->host();
  return text.to_string();
}

void ConnectAttempt::process_died() {
  physics_.schedule(physics_.soon(), *this, kDied);
}

void ConnectAttempt::finish(std::string failure) {
  ended_ = true;
  ListNode::unlink();
  failure_ = std::move(failure);
  if (!failure_.empty()) stream_.reset();
  if (ConnectWait* wait = std::exchange(wait_, nullptr))
    wait->wake();
  else
    stream_.reset();
}

}  // namespace weir::io::sim
