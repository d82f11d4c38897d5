// From events to the ledger's rows: what a request adds, and to which row. Every store of a ledger sums the
// same way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weir/store/ledger.h"

namespace weir::store {

inline constexpr size_t kLedgerTexts = 8, kLedgerSums = 12;
/// Names of the columns, in the order of a row's arrays. Beside them: hour, price_version.
inline constexpr std::array<std::string_view, kLedgerTexts> kLedgerTextNames = {
    "tenant", "team", "key", "user", "agent", "tag", "model", "provider"};
inline constexpr std::array<std::string_view, kLedgerSums> kLedgerSumNames = {"requests",
                                                                              "failed",
                                                                              "estimated",
                                                                              "input_tokens",
                                                                              "cached_input_tokens",
                                                                              "cache_write_tokens",
                                                                              "output_tokens",
                                                                              "reasoning_tokens",
                                                                              "nanodollars",
                                                                              "input_nanodollars",
                                                                              "cache_read_nanodollars",
                                                                              "cache_write_nanodollars"};
/// Where each sum stands in an answer.
inline constexpr std::array<int64_t UsageSum::*, kLedgerSums> kUsageSums = {
    &UsageSum::requests,
    &UsageSum::failed,
    &UsageSum::estimated,
    &UsageSum::input_tokens,
    &UsageSum::cached_input_tokens,
    &UsageSum::cache_write_tokens,
    &UsageSum::output_tokens,
    &UsageSum::reasoning_tokens,
    &UsageSum::nanodollars,
    &UsageSum::input_nanodollars,
    &UsageSum::cache_read_nanodollars,
    &UsageSum::cache_write_nanodollars};

struct LedgerRow {
  int64_t hour = 0;  // unix seconds of its beginning; 0: folded
  std::array<std::string, kLedgerTexts> texts;
  int64_t price_version = 0;
  std::array<int64_t, kLedgerSums> sums{};
};
/// By a name of the row that no other has.
using LedgerRows = std::unordered_map<std::string, LedgerRow>;

/// Adds the usage events of a segment (segment.h).
void add_to_rows(LedgerRows& rows, std::span<const std::byte> segment);

/// "2026-11-21T08:00:00Z"; "before" for what was folded.
std::string ledger_hour_text(int64_t unix_s);

}  // namespace weir::store
