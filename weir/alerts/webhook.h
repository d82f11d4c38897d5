// Webhook: tells one receiver what happened to alerts, in order, one at a time: a POST of JSON to the address
// that the configuration names (FetchUrl: https, or this machine). Anything but a 2xx within ten seconds is a
// failure and tried again with growing pauses, kAttemptsMax times; a redirect is an answer like any other,
// and is not followed; what the receiver refuses for good (4xx but 408 and 429) is not tried again. What
// waits is bounded: the oldest goes first.
//
// Signature: `x-weir-signature: t=UNIX_SECONDS,v1=HEX`, HEX = HMAC-SHA256(secret, "UNIX_SECONDS.BODY"). The
// time is that of the attempt and signed with the body, so that a receiver can refuse what is old.
// `x-weir-delivery` is the same for every attempt of one message. On one loop.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "weir/base/fetch_url.h"
#include "weir/base/settings.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"
#include "weir/telemetry/metrics.h"

namespace weir::alerts {

/// "t=1795248000,v1=6f..."; empty without a secret.
std::string signature(const Secret& secret, int64_t unix_s, std::string_view body);

class Webhook {
 public:
  static constexpr int kAttemptsMax = 10;
  static constexpr size_t kWaitingMax = 1000;
  using Say = std::function<void(bool bad, std::string_view sentence)>;
  struct Counters {
    telemetry::Counter delivered, failed;  // messages
  };

  Webhook(io::Loop& loop, AlertWebhookSettings settings, Counters counters, Say say);
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;
  ~Webhook();  // Requires: finish() has ended

  const AlertWebhookSettings& settings() const { return settings_; }
  void send(std::string body);
  /// What is under way is given up.
  io::Task<void> finish();
  void stop() { ending_.request(io::CancelReason::kShutdown); }

  struct Status {
    uint64_t delivered = 0, failed = 0;  // messages
    size_t waiting = 0;
    std::string trouble;  // of the last attempt; empty: it was taken
  };
  Status status() const;

 private:
  struct Message {
    std::string id, body;
  };
  io::Task<void> keep();
  io::Task<void> deliver(Message message);
  /// Empty: it was taken. `final`: not to be tried again.
  io::Task<std::string> attempt(const Message& message, bool& final);
  void give_up(std::string_view why);

  io::Loop& loop_;
  const AlertWebhookSettings settings_;
  const FetchUrl url_;
  Counters counters_;
  const Say say_;
  std::deque<Message> waiting_;
  Status status_;
  io::Event more_;
  io::Cancel ending_;
  io::TaskGroup tasks_;
};

}  // namespace weir::alerts
