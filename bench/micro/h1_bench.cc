// What a head, a chunk and a streamed event cost on the way through.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "weir/http/h1_codec.h"
#include "weir/wire/sse.h"

namespace {

// 12 headers, about 600 bytes: an OpenAI SDK's chat request behind a load balancer.
const std::string kRequest =
    "POST /v1/chat/completions HTTP/1.1\r\n"
    "Host: gateway.example.com:8443\r\n"
    "Accept: application/json\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: OpenAI/Python 1.55.3 (Linux x86_64; CPython 3.12.4) httpx/0.27.2 acme-agent/2.1.0 "
    "build/20251121\r\n"
    "Authorization: Bearer "
    "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\r\n"
    "Content-Type: application/json\r\n"
    "X-Stainless-Lang: python\r\n"
    "X-Stainless-Runtime-Version: 3.12.4\r\n"
    "X-Forwarded-For: 203.0.113.77, 198.51.100.23\r\n"
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
    "Content-Length: 1834\r\n"
    "\r\n";

void RequestHead(benchmark::State& state) {
  weir::http::HeadScanner scanner;
  weir::http::RequestHead head;
  for (auto _ : state) {
    head.clear();
    auto outcome = scanner.request(kRequest, head);
    if (outcome.state != weir::http::ParseState::kComplete) state.SkipWithError("refused");
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kRequest.size()));
}
BENCHMARK(RequestHead);

// A head that arrives byte by byte: the cost must stay linear.
void RequestHeadByteByByte(benchmark::State& state) {
  weir::http::HeadScanner scanner;
  weir::http::RequestHead head;
  for (auto _ : state) {
    head.clear();
    for (size_t n = 1; n <= kRequest.size(); ++n)
      benchmark::DoNotOptimize(scanner.request(std::string_view(kRequest).substr(0, n), head));
  }
}
BENCHMARK(RequestHeadByteByByte);

void ResponseHead(benchmark::State& state) {
  const std::string bytes =
      "HTTP/1.1 200 OK\r\ndate: Fri, 21 Nov 2025 08:00:00 GMT\r\nserver: uvicorn\r\n"
      "content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
  weir::http::HeadScanner scanner;
  weir::http::ResponseHead head;
  for (auto _ : state) {
    head.clear();
    benchmark::DoNotOptimize(scanner.response(bytes, "POST", head));
  }
}
BENCHMARK(ResponseHead);

// A 200-byte event: "data: {...}\n\n".
const std::string kEvent = "data: {" + std::string(200 - 10, 'x') + "}\n\n";

void Chunk(benchmark::State& state) {  // one event a chunk, as model servers send them
  const std::string framed = "c8\r\n" + kEvent + "\r\n";
  std::string bytes = framed;
  weir::http::ChunkedDecoder decoder;
  for (auto _ : state) {
    std::memcpy(bytes.data(), framed.data(), framed.size());
    benchmark::DoNotOptimize(decoder.decode(bytes));
  }
}
BENCHMARK(Chunk);

void Event(benchmark::State& state) {
  const auto events = static_cast<size_t>(state.range(0));
  std::string bytes;
  for (size_t i = 0; i < events; ++i)
    bytes += kEvent;
  weir::wire::SseFramer framer;
  for (auto _ : state) {
    framer.feed(bytes);
    while (auto e = framer.next())
      benchmark::DoNotOptimize(*e);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(events));
}
BENCHMARK(Event)->Arg(1)->Arg(20);

// Events cut in the middle by the reads: the carry buffer's price.
void EventCut(benchmark::State& state) {
  std::string_view event = kEvent;
  weir::wire::SseFramer framer;
  for (auto _ : state) {
    for (std::string_view piece : {event.substr(0, 90), event.substr(90)}) {
      framer.feed(piece);
      while (auto e = framer.next())
        benchmark::DoNotOptimize(*e);
    }
  }
}
BENCHMARK(EventCut);

}  // namespace

BENCHMARK_MAIN();
