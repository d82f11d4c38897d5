#include "weir/alerts/webhook.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/assert.h"
#include "weir/base/hmac.h"
#include "weir/http/fetch_options.h"
#include "weir/io/random_id.h"

namespace weir::alerts {
namespace {

constexpr Duration kAttemptMax = seconds(10);
constexpr Duration kPauseMax = seconds(60);
constexpr size_t kCaBytesMax = 1 << 20;

bool is_final(int status) {
  return status >= 300 && status < 500 && status != 408 && status != 429;
}

}  // namespace

std::string signature(const Secret& secret, int64_t unix_s, std::string_view body) {
  if (secret.empty()) return {};
  HmacSha256 sign(secret.reveal());
  return fmt::format("t={},v1={}", unix_s, to_hex(sign(fmt::format("{}.{}", unix_s, body))));
}

Webhook::Webhook(io::Loop& loop, AlertWebhookSettings settings, Counters counters, Say say)
    : loop_(loop),
      settings_(std::move(settings)),
      url_(FetchUrl::parse(settings_.url).value_or(FetchUrl{})),  // the settings were checked
      counters_(counters),
      say_(std::move(say)) {
  tasks_.start(keep());
}

Webhook::~Webhook() {
  WEIR_ASSERT(tasks_.running() == 0);
}

Webhook::Status Webhook::status() const {
  Status now = status_;
  now.waiting = waiting_.size();
  return now;
}

void Webhook::send(std::string body) {
  if (waiting_.size() >= kWaitingMax) {
    waiting_.pop_front();
    give_up("too many messages wait");
  }
  waiting_.push_back({io::random_id(loop_.random(), "dlv_"), std::move(body)});
  more_.notify();
}

void Webhook::give_up(std::string_view why) {
  ++status_.failed;
  counters_.failed.add();
  say_(true, fmt::format("webhook {}: an alert was not delivered: {}", settings_.name, why));
}

io::Task<void> Webhook::keep() {
  while (!ending_.requested()) {
    if (waiting_.empty()) {
      co_await more_.wait(ending_);
      continue;
    }
    Message message = std::move(waiting_.front());
    waiting_.pop_front();
    co_await deliver(std::move(message));
  }
}

io::Task<void> Webhook::deliver(Message message) {
  Duration pause = settings_.retry;
  for (int n = 1;; ++n) {
    bool final = false;
    std::string trouble = co_await attempt(message, final);
    if (ending_.requested()) co_return;
    if (trouble.empty()) {
      if (!status_.trouble.empty())
        say_(false, fmt::format("webhook {}: alerts are taken again", settings_.name));
      status_.trouble.clear();
      ++status_.delivered;
      counters_.delivered.add();
      co_return;
    }
    if (status_.trouble.empty())
      say_(true, fmt::format("webhook {}: an alert was not taken: {}", settings_.name, trouble));
    status_.trouble = trouble;
    if (final || n == kAttemptsMax) co_return give_up(trouble);
    if (!co_await io::sleep(loop_, pause, ending_)) co_return;
    pause = std::min(2 * pause, kPauseMax);
  }
}

io::Task<std::string> Webhook::attempt(const Message& message, bool& final) {
  std::string ca_pem;
  if (!settings_.ca_file.empty()) {
    auto read = co_await io::offload(
        loop_, [this] { return loop_.disk().read_file(settings_.ca_file, kCaBytesMax); });
    if (!read) co_return read.error().message;
    ca_pem = *std::move(read);
  }
  io::Cancel scope(ending_);
  io::Timeout too_long(scope, io::CancelReason::kTotalTimeout);
  loop_.arm(too_long, kAttemptMax);
  std::string head =
      fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: weir/" WEIR_VERSION
                  "\r\nContent-Type: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
                  "x-weir-delivery: {}\r\nContent-Length: {}\r\n",
                  url_.target, url_.host_header(), message.id, message.body.size());
  if (std::string text = signature(settings_.secret, loop_.wall_now().unix_s(), message.body); !text.empty())
    head += "x-weir-signature: " + text + "\r\n";
  head += "\r\n";
  http::ConnectionPool pool(loop_, http::options_of(url_, ca_pem));
  http::ClientCall call(pool);
  std::string_view pieces[] = {head, message.body};
  auto sent = co_await call.send("POST", pieces, {kAttemptMax, kAttemptMax, kAttemptMax}, scope);
  if (!sent) co_return scope.requested() ? "no answer in time" : sent.error().message;
  int status = call.head().status;
  if (status >= 200 && status <= 299) co_return "";
  final = is_final(status);
  co_return fmt::format("it answers {}", status);
}

io::Task<void> Webhook::finish() {
  stop();
  co_await tasks_.idle();
}

}  // namespace weir::alerts
