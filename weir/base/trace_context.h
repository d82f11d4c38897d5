// A request's place in a distributed trace (W3C Trace Context): whose trace it is part of, and the names of
// its own spans in it. A pure function of the caller's headers and the request's id, so that everybody who
// needs it works out the same without handing it around. Values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/base/header.h"

namespace weir {

struct TraceContext {
  using TraceId = std::array<uint8_t, 16>;
  using SpanId = std::array<uint8_t, 8>;

  TraceId trace{};
  std::optional<SpanId> parent;  // the caller's span; nullopt: the trace begins here
  SpanId request{};              // of the request as weir serves it
  SpanId call{};                 // of the call to the model server: what that one is told
  bool sampled = false;          // the caller keeps this trace

  /// Of a valid traceparent of the caller (exactly one; version 00, or a later one by the rules for those),
  /// or of a trace that begins with this request.
  static TraceContext of(HeaderList headers, std::string_view request_id);
  /// The header for the model server.
  std::string traceparent() const;

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

}  // namespace weir
