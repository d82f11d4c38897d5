// What checking a chat body costs, beside simdjson's on-demand walk over the same bytes (which does not
// compare keys). Bodies: 20 and 100 KB, messages of 600 bytes with an escape every 80; one ASCII, one with
// umlauts; and the worst for us, an array of small numbers and an object of many keys.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <string>

#include "weir/base/json.h"
#include "weir/base/json_write.h"

namespace {

using weir::json::Edits;
using weir::json::PaddedBuffer;
using weir::json::Parser;

std::string chat(size_t bytes, bool ascii) {
  std::string text = R"({"model":"gpt-4o-mini","temperature":0.2,"max_tokens":256,"messages":[)";
  for (int i = 0; text.size() < bytes; ++i) {
    if (i > 0) text += ',';
    text += fmt::format(R"({{"role":"{}","content":")", i % 2 == 0 ? "user" : "assistant");
    for (int line = 0; line < 8; ++line)
      text += ascii ? "The quick brown fox asks for a summary of the quarterly report, please answer.\\n"
                    : "Der schnelle Fuchs fragt nach einer Übersicht über das Vierteljahr, bitte schön.\\n";
    text += "\"}";
  }
  return text + "]}";
}

std::string numbers(size_t bytes) {
  std::string text = "[0";
  for (int i = 1; text.size() < bytes; ++i)
    text += fmt::format(",{}", i * 7 % 50257);
  return text + "]";
}

std::string keys(size_t bytes) {
  std::string text = "{\"k\":0";
  for (int i = 1; text.size() < bytes; ++i)
    text += fmt::format(",\"key{}\":{}", i, i);
  return text + "}";
}

void parse(benchmark::State& state, const std::string& text) {
  PaddedBuffer body(text);
  Parser parser;
  for (auto _ : state) {
    auto document = parser.parse(body.view());
    if (!document) state.SkipWithError("refused");
    benchmark::DoNotOptimize(document);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void walk(simdjson::ondemand::value value) {
  switch (value.type()) {
    case simdjson::ondemand::json_type::array:
      for (auto element : value.get_array())
        walk(element.value());
      break;
    case simdjson::ondemand::json_type::object:
      for (auto field : value.get_object()) {
        benchmark::DoNotOptimize(field.unescaped_key().value());
        walk(field.value());
      }
      break;
    case simdjson::ondemand::json_type::string:
      benchmark::DoNotOptimize(value.get_string().value());
      break;
    case simdjson::ondemand::json_type::number:
      benchmark::DoNotOptimize(value.get_double().value());
      break;
    case simdjson::ondemand::json_type::boolean:
      benchmark::DoNotOptimize(value.get_bool().value());
      break;
    case simdjson::ondemand::json_type::null:
      benchmark::DoNotOptimize(value.is_null());
      break;
  }
}

void simdjson_walk(benchmark::State& state, const std::string& text) {
  simdjson::padded_string body(text);
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    auto document = parser.iterate(body);
    walk(document.get_value().value());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void parse_and_change_model(benchmark::State& state, const std::string& text) {
  PaddedBuffer body(text);
  Parser parser;
  for (auto _ : state) {
    auto document = parser.parse(body.view());
    Edits edits(body.view());
    edits.replace(document->find("model")->raw, "\"llama-3.1-8b\"");
    benchmark::DoNotOptimize(edits.pieces());
  }
}

void find_in_frame(benchmark::State& state) {
  const std::string_view frame =
      R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",)"
      R"("choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]})";
  for (auto _ : state)
    benchmark::DoNotOptimize(weir::json::find_in(frame, "choices"));
}

void quote(benchmark::State& state, const std::string& text) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    weir::json::append_quoted(out, text);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

BENCHMARK_CAPTURE(parse, chat_20k, chat(20'000, true));
BENCHMARK_CAPTURE(simdjson_walk, chat_20k, chat(20'000, true));
BENCHMARK_CAPTURE(parse, chat_20k_umlauts, chat(20'000, false));
BENCHMARK_CAPTURE(simdjson_walk, chat_20k_umlauts, chat(20'000, false));
BENCHMARK_CAPTURE(parse, chat_100k, chat(100'000, true));
BENCHMARK_CAPTURE(simdjson_walk, chat_100k, chat(100'000, true));
BENCHMARK_CAPTURE(parse, numbers_100k, numbers(100'000));
BENCHMARK_CAPTURE(simdjson_walk, numbers_100k, numbers(100'000));
BENCHMARK_CAPTURE(parse, keys_100k, keys(100'000));
BENCHMARK_CAPTURE(simdjson_walk, keys_100k, keys(100'000));
BENCHMARK_CAPTURE(parse, keys_10m, keys(10'000'000));
BENCHMARK_CAPTURE(parse_and_change_model, chat_20k, chat(20'000, true));
BENCHMARK(find_in_frame);
BENCHMARK_CAPTURE(quote, chat_20k, chat(20'000, true));
BENCHMARK_CAPTURE(quote, umlauts_20k, chat(20'000, false));

}  // namespace

BENCHMARK_MAIN();
