// GET /admin/v1/sla: how well each model, tenant or provider was served over a range: availability, latency,
// minutes of failure; as JSON or as CSV. From the sums of charts, so a range of weeks is some thousand rows.
//
// What counts is what was answered or should have been: requests that a model server or weir itself failed
// against those that ended well. Refusals are their callers' faults, limits were set on purpose, who left may
// have had no fault: they are shown and not counted. A bad minute is one in which more than `bad` percent
// failed. Where minutes are no longer kept (after a week), hours stand for them and the answer says so.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "weir/admin/call.h"
#include "weir/admin/series.h"
#include "weir/base/money.h"
#include "weir/base/time_text.h"
#include "weir/io/loop.h"

namespace weir::admin {
namespace {

using store::Ending;
using store::Sums;

struct Question {
  std::shared_ptr<store::TrafficStore> traffic;
  store::TrafficQuery query;
  TimeRange range;
  int64_t now_s = 0;
  std::string by;           // "model", "tenant", "provider"
  double objective = 99.9;  // percent of the counted requests that end well
  double bad = 5;           // percent of failures that make a minute bad
  bool csv = false;
};

struct Served {
  Sums sums;
  int64_t steps = 0, bad_steps = 0;  // with counted requests; of them bad
  // Of the step that is being read.
  int64_t at_s = -1;
  uint64_t good = 0, failed = 0;

  void close(double bad_percent) {
    if (good + failed == 0) return;
    ++steps;
    if (100.0 * static_cast<double>(failed) > bad_percent * static_cast<double>(good + failed)) ++bad_steps;
    good = failed = 0;
  }
  uint64_t counted() const { return sums.ended(Ending::kOk) + sums.ended(Ending::kError); }
  std::optional<double> availability() const {
    if (counted() == 0) return std::nullopt;
    return 100.0 * static_cast<double>(sums.ended(Ending::kOk)) / static_cast<double>(counted());
  }
};

struct Report {
  std::map<std::string, Served> rows;
  Served all;
  int64_t step_s = 60;
};

Result<Report> report(Question& q) {
  Report out;
  TRY(out.step_s, choose_grain(*q.traffic, q.query, 60, q.now_s));
  auto note = [&](Served& served, int64_t at_s, const Sums& sums) {
    if (served.at_s != at_s) served.close(q.bad);
    served.at_s = at_s;
    served.good += sums.ended(Ending::kOk);
    served.failed += sums.ended(Ending::kError);
    served.sums.add(sums);
  };
  TRY_VOID(q.traffic->sums(q.query, [&](int64_t at_s, const store::TrafficKey& key, const Sums& sums) {
    const std::string& subject = q.by == "model" ? key.model : q.by == "tenant" ? key.tenant : key.provider;
    // Refused before it was known where it was to go: nobody's.
    if (!subject.empty() || q.by == "tenant") note(out.rows[subject], at_s, sums);
    note(out.all, at_s, sums);
  }));
  for (auto& [subject, served] : out.rows)
    served.close(q.bad);
  out.all.close(q.bad);
  return out;
}

void write_row(json::Writer& w, const Question& q, const Report& report, const Served& s) {
  std::optional<double> availability = s.availability();
  w.member("requests", s.sums.requests).member("counted", s.counted());
  w.member("ok", s.sums.ended(Ending::kOk)).member("errors", s.sums.ended(Ending::kError));
  w.member("refused", s.sums.ended(Ending::kRefused)).member("limited", s.sums.ended(Ending::kLimited));
  w.member("left", s.sums.ended(Ending::kLeft)).key("availability_percent");
  availability ? w.value(*availability) : w.null();
  w.key("met");
  availability ? w.value(*availability >= q.objective) : w.null();
  w.member("error_minutes", s.bad_steps * report.step_s / 60);
  w.member("minutes", s.steps * report.step_s / 60);
  write_ms(w.key("p50_ms"), s.sums.seconds.quantile(0.5));
  write_ms(w.key("p95_ms"), s.sums.seconds.quantile(0.95));
  write_ms(w.key("p99_ms"), s.sums.seconds.quantile(0.99));
  write_ms(w.key("ttft_p95_ms"), s.sums.first_token_seconds.quantile(0.95));
}

std::string json_of(const Question& q, const Report& report) {
  std::string text;
  json::Writer w(text);
  w.begin_object().member("from_ms", q.range.from_s * 1000).member("to_ms", q.range.to_s * 1000);
  w.member("step_s", report.step_s).member("by", q.by);
  w.member("objective_percent", q.objective).member("bad_percent", q.bad).key("data").begin_array();
  for (const auto& [subject, served] : report.rows) {
    w.begin_object().member(q.by, subject);
    write_row(w, q, report, served);
    w.end_object();
  }
  w.end_array().key("all").begin_object();
  write_row(w, q, report, report.all);
  w.end_object().end_object();
  return text;
}

// RFC 4180. A spreadsheet takes what begins with these for a formula.
std::string csv_text(std::string_view text) {
  std::string out = "\"";
  if (!text.empty() && std::string_view("=+-@\t\r").contains(text.front())) out += '\'';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string csv_number(std::optional<double> number) {
  return number ? fmt::format("{:.3f}", *number) : "";
}

std::string csv_of(const Question& q, const Report& report) {
  std::string text = q.by +
                     ",from,to,requests,counted,ok,errors,refused,limited,left,availability_percent,"
                     "objective_percent,met,error_minutes,minutes,p50_ms,p95_ms,p99_ms,ttft_p95_ms\r\n";
  auto ms = [](const telemetry::Sketch& sketch, double part) {
    auto seconds = sketch.quantile(part);
    return csv_number(seconds ? std::optional(*seconds * 1000) : std::nullopt);
  };
  auto time = [](int64_t unix_s) { return rfc3339({unix_s * 1'000'000'000}); };
  for (const auto& [subject, s] : report.rows) {
    auto availability = s.availability();
    text += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", csv_text(subject),
        time(q.range.from_s), time(q.range.to_s), s.sums.requests, s.counted(), s.sums.ended(Ending::kOk),
        s.sums.ended(Ending::kError), s.sums.ended(Ending::kRefused), s.sums.ended(Ending::kLimited),
        s.sums.ended(Ending::kLeft), csv_number(availability), csv_number(q.objective),
        !availability                  ? ""
        : *availability >= q.objective ? "yes"
                                       : "no",
        s.bad_steps * report.step_s / 60, s.steps * report.step_s / 60, ms(s.sums.seconds, 0.5),
        ms(s.sums.seconds, 0.95), ms(s.sums.seconds, 0.99), ms(s.sums.first_token_seconds, 0.95));
  }
  return text;
}

// "99.9": from 0 to 100.
Result<double> percent(const Call& call, std::string_view parameter, double otherwise) {
  auto text = call.query(parameter);
  if (!text) return otherwise;
  auto billionths = nanodollars_of(*text);  // a number as people write it
  if (!billionths || *billionths > 100'000'000'000)
    return fail(ErrorCode::kInvalidRequest, "'" + std::string(parameter) + "' must be from 0 to 100.",
                std::string(parameter), "invalid_value");
  return static_cast<double>(*billionths) / 1e9;
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kSla>(Call& call) {
  Question q;
  q.traffic = call.world.traffic;
  if (!q.traffic)
    co_return fail(ErrorCode::kNotFound, "No records are kept (events.enabled), so there is no report.", {},
                   "no_records");
  CO_TRY(q.range, time_range(call));
  q.query = {.from_s = q.range.from_s, .to_s = q.range.to_s, .tenant = call.tenant()};
  q.query.model = call.query("model").value_or("");
  q.query.provider = call.query("provider").value_or("");
  q.now_s = call.loop.wall_now().unix_s();
  q.by = call.query("by").value_or("model");
  if (q.by != "model" && q.by != "tenant" && q.by != "provider")
    co_return fail(ErrorCode::kInvalidRequest, "'by' must be model, tenant or provider.", "by",
                   "invalid_value");
  CO_TRY(q.objective, percent(call, "objective", q.objective));
  CO_TRY(q.bad, percent(call, "bad", q.bad));
  std::string format = call.query("format").value_or("json");
  if (format != "json" && format != "csv")
    co_return fail(ErrorCode::kInvalidRequest, "'format' must be json or csv.", "format", "invalid_value");
  q.csv = format == "csv";
  Answer answer;
  CO_TRY(answer.body, co_await io::offload(call.loop, [&q]() -> Result<std::string> {
           TRY(Report made, report(q));
           return q.csv ? csv_of(q, made) : json_of(q, made);
         }));
  if (q.csv) {
    answer.content_type = "text/csv; charset=utf-8";
    answer.headers.emplace_back("content-disposition", "attachment; filename=\"weir-sla.csv\"");
  }
  co_return answer;
}

}  // namespace weir::admin
