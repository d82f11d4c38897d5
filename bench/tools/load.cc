// A load generator: one thread on epoll, keep-alive connections, every answer checked to its last byte. It
// exists because the usual ones drop their open requests at the end (the proxy then looks as if clients had
// left), do not read event streams, and have no constant rate.
//   --mode closed   `connections` connections, each sends its next request when the answer is whole; the run
//   ends
//                   after --seconds or --requests, and what is under way is then finished, so that the
//                   proxy's CPU time divided by "requests" is exact.
//   --mode open     requests at a constant --rate, due in steps of 100 us, on any free connection. A latency
//   counts from the moment the
//                   request was due, not from when it could be sent: a server that stalls is charged for all
//                   the requests that should have been sent meanwhile (no coordinated omission).
//   --mode hold     one request on each of `connections` connections; prints {"opened":N} when each has the
//   first
//                   byte of its body, then waits for all of them to end.
// --refusals 1 (open): the server may refuse. A whole 503 or 429 with Retry-After is no error but counted,
// with latencies of its own; a request that found no free connection within --patience_ms (default 100) of
// its time is not sent and counted too, as a client's own pool would give up. "goodput" is then the good
// answers a second that came in time; it and the latencies count from --skip_seconds on. --obey 1: a
// connection that was refused asks again only when its Retry-After is over; left out: at once, when it is its
// turn.
// Further flags: --port, --path, --key (bearer), --body FILE, --expect FILE (the answer's body, chunking
// removed; left out: any 200 that is whole, and ends with "[DONE]" or message_stop when it is an event
// stream), --warmup
// (requests not counted), --ids FILE (the x-weir-request-id of every answer that was whole, a line each),
// --until-refused 1 (nobody listens any more: begin no new request). Prints one JSON object: requests, errors
// by kind, seconds, requests a second, latency in us.
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <queue>
#include <vector>

#include "tool.h"

namespace bench {
namespace {

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) die(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Reads one answer as it comes. Lax on purpose: it trusts the framing and checks the content.
class Answer {
 public:
  enum class State { kMore, kWhole, kBad };

  void start() { *this = Answer(); }
  bool begun() const { return phase_ != Phase::kHead || !head_.empty(); }
  bool body_begun() const { return body_bytes_ > 0; }
  int status() const { return status_; }
  const std::string& id() const { return id_; }
  bool refusal() const { return (status_ == 503 || status_ == 429) && retry_after_ && phase_ == Phase::kEnd; }
  bool closes() const { return closes_; }
  int retry_after_s() const { return retry_after_s_; }

  /// Takes what arrived. `expect` empty: see the flag.
  State take(std::string_view in, const std::string& expect) {
    while (!in.empty() && phase_ != Phase::kEnd) {
      switch (phase_) {
        case Phase::kHead: {
          size_t before = head_.size();
          head_ += in;
          size_t end = head_.find("\r\n\r\n");
          if (end == std::string::npos) return State::kMore;
          in.remove_prefix(end + 4 - before);
          read_head(std::string_view(head_).substr(0, end + 2));
          break;
        }
        case Phase::kLength: {
          size_t n = std::min(in.size(), left_);
          if (!content(in.substr(0, n), expect)) return State::kBad;
          in.remove_prefix(n);
          left_ -= n;
          if (left_ == 0) phase_ = Phase::kEnd;
          break;
        }
        case Phase::kChunkSize: {
          char ch = in.front();
          in.remove_prefix(1);
          if (ch == '\n') {
            left_ = std::strtoul(line_.c_str(), nullptr, 16);
            phase_ = left_ == 0 ? Phase::kTrailer : Phase::kChunk;
            line_.clear();
          } else {
            line_ += ch;
          }
          break;
        }
        case Phase::kChunk: {
          size_t n = std::min(in.size(), left_);
          if (!content(in.substr(0, n), expect)) return State::kBad;
          in.remove_prefix(n);
          left_ -= n;
          if (left_ == 0) phase_ = Phase::kChunkEnd;
          break;
        }
        case Phase::kChunkEnd:
          if (in.front() == '\n') phase_ = Phase::kChunkSize;
          in.remove_prefix(1);
          break;
        case Phase::kTrailer:
          if (in.front() == '\n') phase_ = Phase::kEnd;
          in.remove_prefix(1);
          break;
        case Phase::kEnd:
          break;
      }
    }
    if (phase_ != Phase::kEnd) return State::kMore;
    bool ended = tail_.find("[DONE]") != std::string::npos || tail_.find("message_stop") != std::string::npos;
    bool right = expect.empty() ? !stream_ || ended : body_bytes_ == expect.size();
    return status_ == 200 && right ? State::kWhole : State::kBad;
  }

 private:
  enum class Phase { kHead, kLength, kChunkSize, kChunk, kChunkEnd, kTrailer, kEnd };

  void read_head(std::string_view head) {
    std::string lower(head);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    status_ = std::atoi(lower.c_str() + 9);
    constexpr std::string_view kId = "\r\nx-weir-request-id: ";
    if (size_t at = lower.find(kId); at != std::string::npos) {
      at += kId.size();
      id_ = std::string(head.substr(at, lower.find("\r\n", at) - at));
    }
    stream_ = lower.find("text/event-stream") != std::string::npos;
    size_t retry_at = lower.find("\r\nretry-after: ");
    retry_after_ = retry_at != std::string::npos;
    retry_after_s_ = retry_after_ ? std::atoi(lower.c_str() + retry_at + 15) : 0;
    closes_ = lower.find("\r\nconnection: close") != std::string::npos;
    if (lower.find("transfer-encoding: chunked") != std::string::npos) {
      phase_ = Phase::kChunkSize;
    } else {
      left_ = static_cast<size_t>(integer_after(lower, "\r\ncontent-length", 0));
      phase_ = left_ > 0 ? Phase::kLength : Phase::kEnd;
    }
  }

  bool content(std::string_view piece, const std::string& expect) {
    size_t at = body_bytes_;
    body_bytes_ += piece.size();
    if (status_ != 200) return true;
    if (!expect.empty())
      return body_bytes_ <= expect.size() && std::memcmp(expect.data() + at, piece.data(), piece.size()) == 0;
    if (stream_) {
      tail_ += piece;
      if (tail_.size() > 64) tail_.erase(0, tail_.size() - 64);
    }
    return true;
  }

  Phase phase_ = Phase::kHead;
  std::string head_;
  std::string line_;
  std::string tail_;
  std::string id_;
  size_t left_ = 0;
  size_t body_bytes_ = 0;
  int status_ = 0;
  bool stream_ = false;
  bool retry_after_ = false;
  int retry_after_s_ = 0;
  bool closes_ = false;
};

struct Client {
  int fd = -1;
  bool busy = false;
  bool first_seen = false;
  size_t sent = 0;  // of the request's bytes
  int64_t due_ns = 0;
  int64_t sent_ns = 0;
  Answer answer;
};

struct Errors {
  int64_t connect = 0;  // refused or reset before a connection stood
  int64_t status = 0;   // whole, but not a 200
  int64_t wrong = 0;    // not the expected bytes
  int64_t cut = 0;      // closed before the answer was whole
  int64_t all() const { return connect + status + wrong + cut; }
};

// The generator shares its core with the mock: a timer for each request would cost more than the request.
constexpr int64_t kStepNs = 100'000;

class Load {
 public:
  explicit Load(const Flags& flags)
      : mode_(flags.text("mode", "closed")),
        port_(static_cast<int>(flags.integer("port", 0))),
        seconds_(flags.number("seconds", 1e9)),
        requests_max_(flags.integer("requests", INT64_MAX)),
        rate_(flags.number("rate", 0)),
        spin_(flags.integer("spin", 0) != 0),
        until_refused_(flags.integer("until-refused", 0) != 0),
        refusals_(flags.integer("refusals", 0) != 0),
        obey_(flags.integer("obey", 0) != 0),
        patience_ns_(flags.integer("patience_ms", 100) * 1'000'000),
        skip_ns_(static_cast<int64_t>(flags.number("skip_seconds", 0) * 1e9)),
        clients_(static_cast<size_t>(flags.integer("connections", 1))),
        epoll_(epoll_create1(0)) {
    if (!flags.text("ids").empty() && !(ids_ = std::fopen(flags.text("ids").c_str(), "a")))
      die(flags.text("ids"));
    if (!flags.text("expect").empty()) expect_ = file_bytes(flags.text("expect"));
    std::string body = file_bytes(flags.text("body"));
    std::string key = flags.text("key");
    request_ = "POST " + flags.text("path", "/v1/chat/completions") +
               " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
               "\r\nAccept: application/json\r\nUser-Agent: load/1\r\n" +
               (key.empty() ? "" : "Authorization: Bearer " + key + "\r\n") + flags.text("headers") +
               "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body;
    for (size_t at; (at = request_.find("\\n")) < request_.find("\r\n\r\n");)  // of --headers
      request_.replace(at, 2, "\r\n");
  }

  int run() {
    start_ns_ = now_ns();
    if (mode_ == "hold")
      hold();
    else if (mode_ == "open")
      open_loop();
    else
      closed_loop();
    if (ids_ && std::fclose(ids_) != 0) die("--ids");
    report();
    return errors_.all() == 0 ? 0 : 1;
  }

 private:
  // ---- the three modes

  void closed_loop() {
    for (Client& c : clients_)
      begin(c, now_ns());
    while (busy_ > 0)
      poll(-1);
  }

  void open_loop() {
    prctl(PR_SET_TIMERSLACK, 1);
    for (Client& c : clients_) {
      connect_client(c);
      free_.push_back(&c);
    }
    start_ns_ = now_ns();
    double gap_ns = 1e9 / rate_;
    auto due_at = [&](int64_t request) {
      auto exact = static_cast<int64_t>(static_cast<double>(request) * gap_ns);
      return start_ns_ + exact / kStepNs * kStepNs;
    };
    int64_t total = std::min<int64_t>(requests_max_, static_cast<int64_t>(seconds_ * rate_));
    while (begun_ < total || busy_ > 0) {
      for (; !resting_.empty() && resting_.top().first <= now_ns(); resting_.pop())
        free_.push_back(resting_.top().second);
      while (begun_ < total && !free_.empty() && due_at(begun_) <= now_ns()) {
        Client* c = free_.front();
        free_.pop_front();
        begin(*c, due_at(begun_));
      }
      while (refusals_ && begun_ < total && free_.empty() && due_at(begun_) + patience_ns_ <= now_ns()) {
        ++begun_;
        ++unsent_;
      }
      int64_t wait = -1;
      if (begun_ < total && !free_.empty()) wait = std::max<int64_t>(0, due_at(begun_) - now_ns());
      if (refusals_ && begun_ < total && free_.empty()) wait = 10 * kStepNs;  // for who loses patience
      poll(wait);
    }
  }

  void hold() {
    // A few hundred connections at a time: the accept queue is finite.
    constexpr int64_t kOpening = 256;
    size_t next = 0;
    while (next < clients_.size() || busy_ > 0) {
      while (next < clients_.size() && static_cast<int64_t>(next) - opened_ - errors_.all() < kOpening)
        begin(clients_[next++], now_ns());
      if (!opened_said_ && opened_ + errors_.all() >= static_cast<int64_t>(clients_.size())) {
        opened_said_ = true;
        std::printf("{\"opened\":%lld}\n", static_cast<long long>(opened_));
        std::fflush(stdout);
      }
      if (busy_ > 0) poll(-1);
    }
  }

  // ---- one request

  bool connect_client(Client& c) {
    c.fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at = loopback(port_);
    if (connect(c.fd, reinterpret_cast<sockaddr*>(&at), sizeof at)) {
      close(c.fd);
      c.fd = -1;
      return false;
    }
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    set_nodelay(c.fd);
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
    return true;
  }

  void begin(Client& c, int64_t due_ns) {
    ++begun_;
    if (c.fd < 0 && !connect_client(c)) {
      ++errors_.connect;
      refused_ = true;
      usleep(1000);  // nobody listens: do not spin
      finish(c);
      return;
    }
    c.busy = true;
    ++busy_;
    c.due_ns = due_ns;
    c.sent_ns = now_ns();
    c.sent = 0;
    c.first_seen = false;
    c.answer.start();
    push(c);
  }

  void push(Client& c) {
    ssize_t n = send(c.fd, request_.data() + c.sent, request_.size() - c.sent, MSG_NOSIGNAL);
    bool waited = c.sent > 0;
    if (n > 0) c.sent += static_cast<size_t>(n);
    bool whole = c.sent == request_.size();
    if (!whole && !waited)
      watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    else if (whole && waited)
      watch(c, EPOLLIN, EPOLL_CTL_MOD);
  }

  void poll(int64_t wait_ns) {
    epoll_event events[256];
    timespec wait{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    if (spin_) wait = {};
    int n = epoll_pwait2(epoll_, events, 256, wait_ns < 0 && !spin_ ? nullptr : &wait, nullptr);
    if (n == 0 && spin_) sched_yield();
    for (int i = 0; i < n; ++i) {
      Client& c = *static_cast<Client*>(events[i].data.ptr);
      if (c.fd < 0) continue;
      if ((events[i].events & EPOLLOUT) && c.sent < request_.size()) push(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
    }
  }

  void receive(Client& c) {
    ssize_t got = read(c.fd, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      drop(c);
      if (c.busy) {
        ++errors_.cut;
        done(c);
      }
      return;
    }
    if (!c.busy) return;
    Answer::State state = c.answer.take({buffer_.data(), static_cast<size_t>(got)}, expect_);
    if (!c.first_seen && c.answer.body_begun()) {
      c.first_seen = true;
      ++opened_;
    }
    if (state == Answer::State::kMore) return;
    if (state == Answer::State::kWhole) {
      ++whole_;
      if (ids_) std::fprintf(ids_, "%s\n", c.answer.id().c_str());
      int64_t now = now_ns();
      if (now >= start_ns_ + skip_ns_ && static_cast<double>(now - start_ns_) <= seconds_ * 1e9) ++in_time_;
      if (c.due_ns >= start_ns_ + skip_ns_) latencies_ns_.push_back(now - c.due_ns);
    } else if (refusals_ && c.answer.refusal()) {
      ++refusals_seen_;
      if (c.due_ns >= start_ns_ + skip_ns_) refused_ns_.push_back(now_ns() - c.sent_ns);
      if (c.answer.closes()) drop(c);
      if (obey_) {
        c.busy = false;
        --busy_;
        resting_.emplace(now_ns() + c.answer.retry_after_s() * 1'000'000'000LL, &c);
        return;
      }
    } else {
      ++(c.answer.status() != 200 ? errors_.status : errors_.wrong);
      if (errors_.all() == 1)
        std::fprintf(stderr, "first error: status %d: %.*s\n", c.answer.status(),
                     static_cast<int>(std::min<ssize_t>(got, 1500)), buffer_.data());
      drop(c);
    }
    done(c);
  }

  void done(Client& c) {
    c.busy = false;
    --busy_;
    finish(c);
  }

  // The connection is free again.
  void finish(Client& c) {
    if (mode_ == "open") {
      free_.push_back(&c);
    } else if (mode_ == "closed") {
      bool time_left = static_cast<double>(now_ns() - start_ns_) < seconds_ * 1e9;
      if (until_refused_ && refused_) return;
      if (time_left && begun_ < requests_max_ && errors_.all() < 10'000) begin(c, now_ns());
    } else if (c.fd >= 0) {
      drop(c);
    }
  }

  void drop(Client& c) {
    close(c.fd);
    c.fd = -1;
  }

  void watch(Client& c, uint32_t what, int how) const {
    epoll_event e{};
    e.events = what;
    e.data.ptr = &c;
    epoll_ctl(epoll_, how, c.fd, &e);
  }

  void report() {
    double seconds = static_cast<double>(now_ns() - start_ns_) / 1e9;
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    std::sort(refused_ns_.begin(), refused_ns_.end());
    auto quantile = [](const std::vector<int64_t>& sorted, double q) {
      if (sorted.empty()) return 0.0;
      auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
      return static_cast<double>(sorted[std::max<size_t>(rank, 1) - 1]) / 1e3;
    };
    auto quantile_us = [&](double q) { return quantile(latencies_ns_, q); };
    std::printf(
        "{\"requests\":%lld,\"errors\":{\"connect\":%lld,\"status\":%lld,\"wrong\":%lld,\"cut\":%lld},"
        "\"seconds\":%.3f,\"rps\":%.0f,\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
        "\"max\":%.1f}",
        static_cast<long long>(whole_), static_cast<long long>(errors_.connect),
        static_cast<long long>(errors_.status), static_cast<long long>(errors_.wrong),
        static_cast<long long>(errors_.cut), seconds, static_cast<double>(whole_) / seconds, quantile_us(0.5),
        quantile_us(0.9), quantile_us(0.99), quantile_us(0.999), quantile_us(1));
    if (refusals_) {
      double window = seconds_ - static_cast<double>(skip_ns_) / 1e9;
      std::printf(
          ",\"goodput\":%.0f,\"refused\":%lld,\"unsent\":%lld,\"refused_us\":{\"p50\":%.1f,\"p99\":%.1f,"
          "\"max\":%.1f}",
          static_cast<double>(in_time_) / window, static_cast<long long>(refusals_seen_),
          static_cast<long long>(unsent_), quantile(refused_ns_, 0.5), quantile(refused_ns_, 0.99),
          quantile(refused_ns_, 1));
    }
    std::printf("}\n");
  }

  const std::string mode_;
  const int port_;
  const double seconds_;
  const int64_t requests_max_;
  const double rate_;
  const bool spin_;
  const bool until_refused_;
  bool refused_ = false;
  std::FILE* ids_ = nullptr;
  const bool refusals_;
  const bool obey_;
  const int64_t patience_ns_;
  const int64_t skip_ns_;
  int64_t in_time_ = 0;
  int64_t unsent_ = 0;
  int64_t refusals_seen_ = 0;
  std::vector<int64_t> refused_ns_;
  using Resting = std::pair<int64_t, Client*>;  // until when
  std::priority_queue<Resting, std::vector<Resting>, std::greater<>> resting_;
  std::string expect_;
  std::string request_;
  std::vector<Client> clients_;
  std::deque<Client*> free_;
  int epoll_;
  int64_t start_ns_ = 0;
  int64_t begun_ = 0;
  int64_t busy_ = 0;
  int64_t opened_ = 0;
  bool opened_said_ = false;
  int64_t whole_ = 0;
  Errors errors_;
  std::vector<int64_t> latencies_ns_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Flags flags(argc, argv);
  bench::raise_descriptor_limit();
  return bench::Load(flags).run();
}
