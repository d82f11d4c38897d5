#include "weir/admin/marks.h"

#include <algorithm>

#include "weir/io/loop.h"

namespace weir::admin {
namespace {

constexpr size_t kRowsMax = 1000;  // of the audit log, for each kind

// {"changed":["models","providers"]} as "configuration: models, providers".
std::string config_text(const std::string& detail) {
  json::Parser parser;
  json::PaddedBuffer bytes(detail);
  auto document = parser.parse(bytes.view());
  const json::Value* changed = document ? document->find("changed") : nullptr;
  std::string sections;
  if (changed && changed->type == json::Type::kArray)
    for (const json::Value& section : json::elements_of(changed->raw))
      sections += (sections.empty() ? "" : ", ") + section.as_string().value_or("");
  return "configuration: " + (sections.empty() ? "as it was" : sections);
}

void add_rows(std::vector<Mark>& marks, store::AccountStore& store, std::string_view action,
              TimeRange range) {
  auto rows = store.audit({.action = std::string(action), .limit = kRowsMax});
  if (!rows) return;
  for (const store::AuditRow& row : *rows) {
    if (row.refused || row.unix_ms < range.from_s * 1000 || row.unix_ms >= range.to_s * 1000) continue;
    bool config = action == "config.take";
    marks.push_back(
        {row.unix_ms, config ? "config" : "start", config ? config_text(row.detail) : "weir started"});
  }
}

}  // namespace

io::Task<std::vector<Mark>> marks(Call& call, TimeRange range) {
  std::vector<Mark> all;
  bool everything = call.permits(accounts::Permission::kAllTenants);
  if (call.world.accounts && everything) {
    store::AccountStore& store = call.world.accounts->store();
    co_await io::offload(call.loop, [&] {
      add_rows(all, store, "weir.start", range);
      add_rows(all, store, "config.take", range);
      return true;
    });
  }
  if (call.world.alerts)
    for (const alerts::Alert& alert : call.world.alerts->view()->history) {
      bool mine = everything || (!alert.tenant.empty() && call.sees(alert.tenant));
      int64_t second = alert.fired_unix_ms / 1000;
      if (!mine || second < range.from_s || second >= range.to_s) continue;
      std::string text = "alert: " + alert.rule;
      if (!alert.subject.empty()) text += ", " + alert.subject;
      all.push_back({alert.fired_unix_ms, "alert", std::move(text)});
    }
  std::ranges::sort(all, {}, &Mark::unix_ms);
  if (all.size() > kMarksMax) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(kMarksMax));
  co_return all;
}

void write_marks(json::Writer& w, const std::vector<Mark>& marks) {
  w.begin_array();
  for (const Mark& mark : marks)
    w.begin_object()
        .member("unix_ms", mark.unix_ms)
        .member("kind", mark.kind)
        .member("text", mark.text)
        .end_object();
  w.end_array();
}

}  // namespace weir::admin
