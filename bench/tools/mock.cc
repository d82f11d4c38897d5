// A model server for measuring: one thread on epoll, fixed answers, so cheap (about 5 us a request) that the
// proxy in front of it is what saturates. Speaks just enough of the OpenAI wire, and of Anthropic's:
//   POST anything: a chat completion of about 1 KB; with "stream":true in the first 600 bytes of the body
//   (all of it up to 2 KB), `frames` events, each its own send: content, finish_reason, usage, [DONE].
//
//   POST .../messages: the same with Anthropic's events, streamed only: message_start, the block's begin,
//   deltas, its end, message_delta, message_stop.
//
//   "mock":{...} in those bytes scripts one request: "frames":N (at least 3; Anthropic: 6), "frames_a_send":N
//   (so many events go out together), "frame_delay_ms":M (before each send but the first), "delay_ms":M
//   (before the head), "first_frame_delay_ms":M (after the head), "tag":N.
//
//   GET /mock/stats: {"requests","open","left"}: seen, being answered, left by the client before the end.
//
//   GET /mock/left: [[tag, nanoseconds of CLOCK_MONOTONIC when the client was seen to leave], ...]
//
// --spin 1: it never sleeps (see load.cc). It prints "ready port=N" on stdout and runs until it is killed.

#include <sched.h>
#include <sys/epoll.h>

#include <csignal>
#include <functional>
#include <memory>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tool.h"

namespace bench {
namespace {

constexpr size_t kScriptWindow = 600;  // bytes of a body that are searched for instructions
constexpr size_t kSmallBody = 2048;    // is searched to its end: translations say "stream" last

struct Script {
  bool stream = false;
  int64_t frames = 50;
  int64_t frames_a_send = 1;
  int64_t frame_delay_ms = 0;
  int64_t delay_ms = 0;
  int64_t first_frame_delay_ms = 0;
  int64_t tag = 0;

  static Script read(std::string_view body) {
    std::string_view window = body.substr(0, body.size() <= kSmallBody ? body.size() : kScriptWindow);
    Script s;
    s.stream = window.find("\"stream\":true") != std::string_view::npos;
    size_t at = window.find("\"mock\":{");
    if (at == std::string_view::npos) return s;
    std::string_view mock = window.substr(at, window.find('}', at) - at);
    s.frames = std::max<int64_t>(integer_after(mock, "\"frames\"", s.frames), 3);
    s.frames_a_send = std::max<int64_t>(integer_after(mock, "\"frames_a_send\"", 1), 1);
    s.frame_delay_ms = integer_after(mock, "\"frame_delay_ms\"", 0);
    s.delay_ms = integer_after(mock, "\"delay_ms\"", 0);
    s.first_frame_delay_ms = integer_after(mock, "\"first_frame_delay_ms\"", 0);
    s.tag = integer_after(mock, "\"tag\"", 0);
    return s;
  }
};

struct Connection {
  int fd = -1;
  uint64_t id = 0;
  std::string in;
  size_t head_end = 0;  // 0: the head is not complete
  size_t body_bytes = 0;
  std::string out;  // what the socket did not take
  bool answering = false;
  Script script;
  bool anthropic = false;
  int64_t next_frame = -1;  // -1: the head is still to come
};

std::string chunked(const std::string& data) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + data + "\r\n";
}

// The events of a stream: what it begins with, one of many, what it ends with.
struct Events {
  std::vector<std::string> first;
  std::string content;
  std::vector<std::string> last;

  const std::string& at(int64_t index, int64_t frames) const {
    if (index < static_cast<int64_t>(first.size())) return first[static_cast<size_t>(index)];
    size_t left = static_cast<size_t>(frames - index);
    return left <= last.size() ? last[last.size() - left] : content;
  }
};

std::string named(const std::string& type, const std::string& more) {
  return chunked("event: " + type + "\ndata: {\"type\":\"" + type + "\"" + more + "}\n\n");
}

struct Texts {
  std::string whole;        // head and body
  std::string stream_head;  // ends with the blank line
  Events openai, anthropic;

  Texts() {
    const std::string common =
        "Server: mock\r\nx-request-id: req_0123456789abcdef\r\nopenai-processing-ms: 12\r\n"
        "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n";
    const std::string use = R"("usage":{"prompt_tokens":250,"completion_tokens":48,"total_tokens":298})";
    std::string body =
        R"({"id":"chatcmpl-0123456789","object":"chat.completion","created":1700000000,"model":"gpt-4o-main",)"
        R"("choices":[{"index":0,"message":{"role":"assistant","content":")";
    while (body.size() < 900)
      body += "A river is a natural stream of water. ";
    body += R"("},"finish_reason":"stop"}],)" + use + "}";
    whole = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + common +
            "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + common +
                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string frame =
        R"(data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,)"
        R"("model":"gpt-4o-main","choices":[)";
    openai.content =
        chunked(frame + R"({"index":0,"delta":{"content":" token"},"finish_reason":null}]})" + "\n\n");
    openai.last = {chunked(frame + R"({"index":0,"delta":{},"finish_reason":"stop"}]})" + "\n\n"),
                   chunked(frame + "]," + use + "}\n\n"), chunked("data: [DONE]\n\n") + "0\r\n\r\n"};
    anthropic.first = {
        named(
            "message_start",
            R"(,"message":{"id":"msg_0123456789","type":"message","role":"assistant","model":"claude-sonnet-4-5",)"
            R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":250,)"
            R"("cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}})"),
        named("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})")};
    anthropic.content =
        named("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":" token"})");
    anthropic.last = {
        named("content_block_stop", R"(,"index":0)"),
        named("message_delta",
              R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":48})"),
        named("message_stop", "") + "0\r\n\r\n"};
  }
};

class Mock {
 public:
  Mock(int port, bool spin) : epoll_(epoll_create1(0)), spin_(spin) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at = loopback(port);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) || listen(listener_, 16384))
      die("listen");
    socklen_t size = sizeof at;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    watch(listener_, nullptr, EPOLLIN, EPOLL_CTL_ADD);
    std::printf("ready port=%d\n", ntohs(at.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    epoll_event events[512];
    for (;;) {
      int n = epoll_wait(epoll_, events, 512, spin_ ? 0 : wait_ms());
      if (n == 0 && spin_) sched_yield();
      for (int i = 0; i < n; ++i) {
        auto* c = static_cast<Connection*>(events[i].data.ptr);
        if (!c)
          accept_all();
        else
          on_event(*c, events[i].events);
      }
      fire_timers();
      dead_.clear();
    }
  }

 private:
  struct Due {
    int64_t at_ns;
    uint64_t id;
    bool operator>(const Due& other) const { return at_ns > other.at_ns; }
  };

  void watch(int fd, Connection* c, uint32_t what, int how) const {
    epoll_event e{};
    e.events = what;
    e.data.ptr = c;
    epoll_ctl(epoll_, how, fd, &e);
  }

  int wait_ms() const {
    if (timers_.empty()) return -1;
    int64_t left = timers_.top().at_ns - now_ns();
    return left <= 0 ? 0 : static_cast<int>((left + 999'999) / 1'000'000);
  }

  void accept_all() {
    int fd;
    while ((fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0) {
      set_nodelay(fd);
      auto c = std::make_unique<Connection>();
      c->fd = fd;
      c->id = ++last_id_;
      watch(fd, c.get(), EPOLLIN, EPOLL_CTL_ADD);
      connections_.emplace(c->id, std::move(c));
    }
  }

  void close_connection(Connection& c) {
    if (c.answering) {
      ++left_;
      --open_;
      departures_.emplace_back(c.script.tag, now_ns());
    }
    c.answering = false;
    close(c.fd);
    c.fd = -1;
    auto node = connections_.extract(c.id);
    dead_.push_back(std::move(node.mapped()));  // this round of events may still point at it
  }

  void on_event(Connection& c, uint32_t what) {
    if (c.fd < 0) return;
    if (what & EPOLLOUT) flush(c);
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = read(c.fd, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return close_connection(c);
    c.in.append(buffer_.data(), static_cast<size_t>(got));
    take_requests(c);
  }

  void take_requests(Connection& c) {
    while (c.fd >= 0 && !c.answering) {
      if (c.head_end == 0) {
        size_t at = c.in.find("\r\n\r\n");
        if (at == std::string::npos) return;
        c.head_end = at + 4;
        c.body_bytes = content_length(std::string_view(c.in).substr(0, c.head_end));
      }
      if (c.in.size() < c.head_end + c.body_bytes) return;
      std::string_view head = std::string_view(c.in).substr(0, c.head_end);
      bool get = head.starts_with("GET ");
      std::string report = get ? report_of(head) : "";
      if (!get) c.script = Script::read(std::string_view(c.in).substr(c.head_end, c.body_bytes));
      c.anthropic = head.substr(0, head.find('\r')).find("/messages ") != std::string_view::npos;
      c.in.erase(0, c.head_end + c.body_bytes);
      c.head_end = 0;
      if (get)
        send(c, report);
      else
        begin(c);
    }
  }

  static size_t content_length(std::string_view head) {
    static constexpr char kName[] = "\r\ncontent-length:";
    const char* at = strcasestr(head.data(), kName);  // the head ends within a zero-terminated string
    if (!at || at >= head.data() + head.size()) return 0;
    return std::strtoul(at + sizeof kName - 1, nullptr, 10);
  }

  std::string report_of(std::string_view head) {
    std::string body;
    if (head.starts_with("GET /mock/left")) {
      for (auto [tag, at] : std::exchange(departures_, {}))
        body += (body.empty() ? "[" : "],[") + std::to_string(tag) + "," + std::to_string(at);
      body = body.empty() ? "[]" : "[" + body + "]]";
    } else if (head.starts_with("GET /mock/stats")) {
      body = "{\"requests\":" + std::to_string(requests_) + ",\"open\":" + std::to_string(open_) +
             ",\"left\":" + std::to_string(left_) + "}";
    } else {
      body = R"({"object":"list","data":[]})";
    }
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  void begin(Connection& c) {
    ++requests_;
    ++open_;
    c.answering = true;
    c.next_frame = -1;
    if (c.script.delay_ms > 0)
      later(c, c.script.delay_ms);
    else
      go_on(c);
  }

  void later(Connection& c, int64_t ms) { timers_.push({now_ns() + ms * 1'000'000, c.id}); }

  // Sends what is due; the last piece ends the answer.
  void go_on(Connection& c) {
    if (!c.script.stream) {
      end(c);
      return send(c, texts_.whole);
    }
    if (c.next_frame < 0) {
      send(c, texts_.stream_head);
      if (c.fd < 0) return;
      c.next_frame = 0;
      if (c.script.first_frame_delay_ms > 0) return later(c, c.script.first_frame_delay_ms);
    }
    while (c.answering && c.fd >= 0) {
      together_.clear();
      for (int64_t i = 0; i < c.script.frames_a_send && c.answering; ++i) {
        int64_t frame = c.next_frame++;
        together_ += (c.anthropic ? texts_.anthropic : texts_.openai).at(frame, c.script.frames);
        if (frame + 1 == c.script.frames) end(c);
      }
      send(c, together_);
      if (c.answering && c.script.frame_delay_ms > 0) return later(c, c.script.frame_delay_ms);
    }
  }

  void end(Connection& c) {
    c.answering = false;
    --open_;
  }

  void send(Connection& c, const std::string& data) {
    if (c.fd < 0) return;
    if (!c.out.empty()) {
      c.out += data;
      return;
    }
    ssize_t sent = ::send(c.fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;  // reading will report it
    size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    if (taken == data.size()) return;
    c.out.assign(data, taken);
    watch(c.fd, &c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  }

  void flush(Connection& c) {
    ssize_t sent = ::send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (sent > 0) c.out.erase(0, static_cast<size_t>(sent));
    if (c.out.empty()) watch(c.fd, &c, EPOLLIN, EPOLL_CTL_MOD);
  }

  void fire_timers() {
    while (!timers_.empty() && timers_.top().at_ns <= now_ns()) {
      uint64_t id = timers_.top().id;
      timers_.pop();
      auto it = connections_.find(id);
      if (it == connections_.end() || !it->second->answering) continue;
      Connection& c = *it->second;
      go_on(c);
      if (c.fd >= 0 && !c.answering) take_requests(c);
    }
  }

  const Texts texts_;
  const int epoll_;
  const bool spin_;
  int listener_ = -1;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> dead_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> timers_;
  std::string together_;  // the events of one send
  std::vector<char> buffer_ = std::vector<char>(1 << 17);
  std::vector<std::pair<int64_t, int64_t>> departures_;
  int64_t requests_ = 0;
  int64_t open_ = 0;
  int64_t left_ = 0;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Flags flags(argc, argv);
  bench::raise_descriptor_limit();
  bench::Mock(static_cast<int>(flags.integer("port", 0)), flags.integer("spin", 0) != 0).run();
}
