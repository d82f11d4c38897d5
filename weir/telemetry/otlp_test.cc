// The bytes of OTLP, field by field; tests/test_otlp.py has the official decoder read what a receiver got.
#include "weir/telemetry/otlp.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace weir::telemetry {
namespace {

// A reader of its own: field number -> payloads, in order. nullopt: not protobuf.
using Fields = std::map<uint32_t, std::vector<std::string>>;

std::optional<uint64_t> varint(std::string_view& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

Fields read(std::string_view in) {
  Fields fields;
  while (!in.empty()) {
    auto tag = varint(in);
    EXPECT_TRUE(tag);
    if (!tag) break;
    size_t size = 8;
    if ((*tag & 7) == 0) {
      auto value = varint(in);
      EXPECT_TRUE(value);
      fields[static_cast<uint32_t>(*tag >> 3)].push_back(std::to_string(value.value_or(0)));
      continue;
    }
    if ((*tag & 7) == 2) size = varint(in).value_or(SIZE_MAX);
    EXPECT_LE(size, in.size());
    if (size > in.size()) break;
    fields[static_cast<uint32_t>(*tag >> 3)].emplace_back(in.substr(0, size));
    in.remove_prefix(size);
  }
  return fields;
}

std::string fixed(uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i)
    out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

TEST(Otlp, WritesSpans) {
  Span span;
  span.trace.fill(1);
  span.id.fill(2);
  span.parent.fill(3);
  span.name = "chat river";
  span.kind = Span::Kind::kClient;
  span.start_unix_ns = 1'800'000'000'000'000'000;
  span.end_unix_ns = span.start_unix_ns + 5;
  span.attributes = {{"text", std::string("a\xff\n")}, {"number", int64_t{-1}}, {"real", 0.5}, {"no", false}};
  span.events = {{span.start_unix_ns + 1, "first_token"}};
  span.failed = true;
  span.failure = "upstream_timeout";
  std::string bytes = otlp_traces({.version = "1", .instance = "r1"}, {&span, 1});
  Fields resource_spans = read(read(bytes).at(1).at(0));
  EXPECT_EQ(read(resource_spans.at(1).at(0)).at(1).size(), 3u);  // service.name, .version, .instance.id
  Fields scope_spans = read(resource_spans.at(2).at(0));
  EXPECT_EQ(read(scope_spans.at(1).at(0)).at(1).at(0), "weir");
  Fields f = read(scope_spans.at(2).at(0));
  EXPECT_EQ(f.at(1).at(0), std::string(16, '\1'));
  EXPECT_EQ(f.at(2).at(0), std::string(8, '\2'));
  EXPECT_EQ(f.at(4).at(0), std::string(8, '\3'));
  EXPECT_EQ(f.at(5).at(0), "chat river");
  EXPECT_EQ(f.at(6).at(0), "3");
  EXPECT_EQ(f.at(7).at(0), fixed(1'800'000'000'000'000'000));
  ASSERT_EQ(f.at(9).size(), 4u);
  auto value = [&](size_t i) { return read(read(f.at(9).at(i)).at(2).at(0)); };
  EXPECT_EQ(value(0).at(1).at(0), "a??");
  EXPECT_EQ(value(1).at(3).at(0), std::to_string(UINT64_MAX));
  EXPECT_EQ(value(2).at(4).at(0), fixed(std::bit_cast<uint64_t>(0.5)));
  EXPECT_EQ(value(3).at(2).at(0), "0");
  EXPECT_EQ(read(f.at(11).at(0)).at(2).at(0), "first_token");
  EXPECT_EQ(read(f.at(15).at(0)).at(3).at(0), "2");
}

TEST(Otlp, WritesMetrics) {
  Registry registry;
  auto requests = registry.add_counter("weir_requests_total", "Requests.", {"model"});
  auto duration = registry.add_histogram("weir_request_seconds", "Duration.", {}, {1, 2});
  Shard& shard = registry.add_shard();
  shard.series(requests, {"a"}).add(3);
  shard.series(requests, {"b"}).add(4);
  for (double v : {0.5, 1.5, 9.0, 9.0})
    shard.series(duration, {}).record(v);
  std::string bytes = otlp_metrics({.version = "1"}, registry, 5, 9);
  Fields scope_metrics = read(read(read(bytes).at(1).at(0)).at(2).at(0));
  std::map<std::string, Fields> metrics;
  for (const std::string& metric : scope_metrics.at(2))
    metrics[read(metric).at(1).at(0)] = read(metric);
  Fields sum = read(metrics.at("weir_requests_total").at(7).at(0));
  EXPECT_EQ(sum.at(1).size(), 2u);
  EXPECT_EQ(sum.at(2).at(0), "2");
  EXPECT_EQ(sum.at(3).at(0), "1");
  EXPECT_EQ(read(sum.at(1).at(0)).at(4).at(0), fixed(std::bit_cast<uint64_t>(3.0)));
  Fields& m = metrics.at("weir_request_seconds");
  EXPECT_EQ(m.at(3).at(0), "s");
  Fields point = read(read(m.at(9).at(0)).at(1).at(0));
  EXPECT_EQ(point.at(2).at(0), fixed(5));
  EXPECT_EQ(point.at(3).at(0), fixed(9));
  EXPECT_EQ(point.at(4).at(0), fixed(4));
  EXPECT_EQ(point.at(6).at(0), fixed(1) + fixed(1) + fixed(2));
  EXPECT_EQ(point.at(7).at(0).size(), 16u);
}

}  // namespace
}  // namespace weir::telemetry
