// The watch over hours in virtual time, and a receiver that is slow to understand.
#include "weir/alerts/watch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weir/base/hmac.h"
#include "weir/http/testing.h"
#include "weir/io/sim/universe.h"

namespace weir::alerts {
namespace {

using std::chrono::minutes;

// A machine on which the watch and its receiver live. The receiver answers as it is told, then 200.
struct Scene {
  struct Got {
    std::string body, signature, delivery;
    int64_t at_ns;
  };

  explicit Scene(std::vector<int> answers = {})
      : universe(io::sim::Universe::create(7, {})),
        machine(universe->add_machine("weir", "10.0.0.1", 1)),
        loop(*machine.boot().front()),
        statuses(std::move(answers)),
        receiver(loop, [this](http::Request& q, http::ResponseWriter& a) { return take(q, a); }),
        metrics(register_watch_metrics(registry)) {
    make();
  }
  ~Scene() {
    finish();
    bool ended = false;
    group.start(close(ended));
    EXPECT_TRUE(universe->run_until([&] { return ended; }, minutes(5)));
  }
  void make() {
    Watch::Sources sources{.traffic = nullptr, .meters = &meters, .targets = [this] { return targets; }};
    watch = std::make_unique<Watch>(
        loop, std::move(sources), "here",
        Watch::Notes{
            .alert = [this](const Alert& alert) { noted.push_back(alert); },
            .budget = [this](const BudgetNews&, std::string json) { budgets.push_back(std::move(json)); }},
        registry, metrics, [this](bool, std::string_view sentence) { said.emplace_back(sentence); });
  }
  void finish() {
    bool ended = false;
    group.start(end(ended));
    EXPECT_TRUE(universe->run_until([&] { return ended; }, minutes(5)));
    watch.reset();
  }
  io::Task<void> take(http::Request& request, http::ResponseWriter& response) {
    auto body = co_await request.read_body(1 << 20);
    auto header = [&](std::string_view name) {
      const Header* found = find_header(request.head.headers, name);
      return std::string(found ? found->value : "");
    };
    got.push_back({std::string(body ? body->view() : ""), header("x-weir-signature"),
                   header("x-weir-delivery"), loop.wall_now().unix_ns});
    int status = statuses.empty() ? 200 : statuses.front();
    if (!statuses.empty()) statuses.erase(statuses.begin());
    co_await response.send(status, {}, "");
  }
  io::Task<void> end(bool& ended) {
    co_await watch->finish();
    ended = true;
  }
  io::Task<void> close(bool& ended) {
    co_await receiver.close();
    ended = true;
  }

  AlertSettings settings(std::string secret = "0123456789abcdef") {
    AlertSettings s;
    s.check = seconds(10);
    AlertRuleSettings rule;
    rule.name = "down";
    rule.measure = AlertMeasure::kTargetDown;
    rule.hold = seconds(60);
    s.rules = {rule};
    AlertWebhookSettings webhook;
    webhook.name = "ops";
    webhook.url = fmt::format("http://127.0.0.1:{}/hook", receiver.address().port);
    webhook.secret = Secret(std::move(secret));
    s.webhooks = {webhook};
    return s;
  }
  double counted(std::string_view family, std::string_view last_label) {
    for (const telemetry::SeriesView& series : registry.collect())
      if (series.family->name == family && series.labels.back() == last_label) return series.value();
    return 0;
  }

  std::unique_ptr<io::sim::Universe> universe;
  io::sim::Machine& machine;
  io::Loop& loop;
  std::vector<int> statuses;
  std::vector<Got> got;
  http::testing::TestServer receiver;
  telemetry::Registry registry;
  WatchMetrics metrics;
  std::vector<Target> targets{{"p", "m", 0}};
  quota::MeterTable meters;
  std::vector<Alert> noted;
  std::vector<std::string> budgets;
  std::vector<std::string> said;
  std::unique_ptr<Watch> watch;
  io::TaskGroup group;
};

TEST(Watch, TellsOnceThatItBurnsAndOnceThatItIsOver) {
  Scene s;
  s.watch->set_settings(s.settings());
  s.watch->start();
  s.universe->run_for(minutes(5));
  EXPECT_TRUE(s.got.empty());
  EXPECT_GT(s.watch->view()->checked_unix_ms, 0);
  s.targets[0].resting = 1;
  s.universe->run_for(seconds(55));
  EXPECT_TRUE(s.noted.empty());
  s.universe->run_for(minutes(10));
  ASSERT_EQ(s.got.size(), 1u);
  EXPECT_TRUE(s.got[0].body.contains(R"("event":"alert.fired","source":"here")"));
  EXPECT_EQ(s.watch->view()->firing.size(), 1u);
  EXPECT_EQ(s.watch->view()->rules.at(0).worst, 1);
  EXPECT_EQ(s.counted("weir_alerts_firing", "warning"), 1);
  s.targets[0].resting = 0;
  s.universe->run_for(minutes(10));
  ASSERT_EQ(s.got.size(), 2u);
  EXPECT_TRUE(s.got[1].body.contains(R"("event":"alert.ended")"));
  EXPECT_NE(s.got[0].delivery, s.got[1].delivery);
  EXPECT_EQ(s.noted.size(), 2u);
  EXPECT_TRUE(s.watch->view()->firing.empty());
  ASSERT_EQ(s.watch->view()->history.size(), 1u);
  EXPECT_GT(s.watch->view()->history[0].ended_unix_ms, 0);
  EXPECT_EQ(s.counted("weir_alerts_firing", "warning"), 0);
  EXPECT_EQ(s.counted("weir_alert_deliveries_total", "delivered"), 2);
}

TEST(Watch, AReceiverThatFailsIsAskedAgainWithGrowingPausesAndANewSignature) {
  Scene s({503, 429, 500, 408});
  s.watch->set_settings(s.settings());
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(10));
  ASSERT_EQ(s.got.size(), 5u);
  HmacSha256 sign("0123456789abcdef");
  for (size_t i = 0; i < s.got.size(); ++i) {
    EXPECT_EQ(s.got[i].body, s.got[0].body);
    EXPECT_EQ(s.got[i].delivery, s.got[0].delivery);
    // Its time is the attempt's.
    std::string at = std::to_string(s.got[i].at_ns / 1'000'000'000);
    EXPECT_EQ(s.got[i].signature, fmt::format("t={},v1={}", at, to_hex(sign(at + "." + s.got[i].body))));
    if (i == 0) continue;
    auto pause = seconds(int64_t{1} << (i - 1));
    Duration waited{s.got[i].at_ns - s.got[i - 1].at_ns};
    EXPECT_GE(waited, pause);
    EXPECT_LE(waited, pause + seconds(1));
  }
  EXPECT_EQ(s.watch->view()->webhooks.at(0).status.delivered, 1u);
}

TEST(Watch, ItGivesUpAfterTenAttemptsAndGoesOnWithTheNext) {
  Scene s(std::vector<int>(Webhook::kAttemptsMax, 500));
  s.watch->set_settings(s.settings());
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(5));
  s.targets[0].resting = 0;
  s.universe->run_for(minutes(60));
  ASSERT_EQ(s.got.size(), Webhook::kAttemptsMax + 1u);
  EXPECT_TRUE(s.got.back().body.contains("alert.ended"));
  auto status = s.watch->view()->webhooks.at(0).status;
  EXPECT_EQ(status.failed, 1u);
  EXPECT_EQ(status.delivered, 1u);
  EXPECT_EQ(status.trouble, "");
}

TEST(Watch, ARefusalForGoodAndARedirectAreNotTriedAgain) {
  for (int status : {301, 302, 307, 308, 400, 401, 404, 410}) {
    Scene s({status});
    s.watch->set_settings(s.settings());
    s.watch->start();
    s.targets[0].resting = 1;
    s.universe->run_for(minutes(10));
    EXPECT_EQ(s.got.size(), 1u) << status;
    EXPECT_EQ(s.watch->view()->webhooks.at(0).status.failed, 1u);
    EXPECT_EQ(s.watch->view()->webhooks.at(0).status.trouble, fmt::format("it answers {}", status));
  }
}

TEST(Watch, WithoutASecretThereIsNoSignature) {
  Scene s;
  s.watch->set_settings(s.settings(""));
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(3));
  ASSERT_EQ(s.got.size(), 1u);
  EXPECT_EQ(s.got[0].signature, "");
}

TEST(Watch, WhoWantsWorseOnesOnlyHearsNothing) {
  Scene s;
  AlertSettings settings = s.settings();
  settings.webhooks[0].severity = AlertSeverity::kCritical;
  s.watch->set_settings(settings);
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(3));
  EXPECT_EQ(s.noted.size(), 1u);
  EXPECT_TRUE(s.got.empty());
}

TEST(Watch, ARestartRemembersWhatBurnedAndDoesNotTellAgain) {
  Scene s;
  s.watch->set_settings(s.settings());
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(3));
  ASSERT_EQ(s.noted.size(), 1u);
  auto kept = alert_from(to_json(s.noted[0]));
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, s.noted[0]);
  s.finish();
  s.make();
  s.watch->restore({*kept});
  s.watch->set_settings(s.settings());
  s.watch->start();
  s.universe->run_for(minutes(10));
  EXPECT_EQ(s.got.size(), 1u);
  EXPECT_EQ(s.watch->view()->firing.at(0).fired_unix_ms, kept->fired_unix_ms);
  s.targets[0].resting = 0;
  s.universe->run_for(minutes(3));
  EXPECT_EQ(s.got.size(), 2u);
  EXPECT_EQ(s.watch->view()->history.size(), 1u);
}

TEST(Watch, RulesThatAreGoneAreOverAndThoseThatStayGoOn) {
  Scene s;
  AlertSettings settings = s.settings();
  AlertRuleSettings other = settings.rules[0];
  other.name = "other";
  settings.rules.push_back(other);
  s.watch->set_settings(settings);
  s.watch->start();
  s.targets[0].resting = 1;
  s.universe->run_for(minutes(3));
  EXPECT_EQ(s.watch->view()->firing.size(), 2u);
  settings.rules.pop_back();
  s.watch->set_settings(settings);
  s.universe->run_for(minutes(3));
  EXPECT_EQ(s.watch->view()->firing.size(), 1u);
  ASSERT_EQ(s.got.size(), 3u);
  EXPECT_TRUE(s.got[2].body.contains(R"("rule":"other")") && s.got[2].body.contains("alert.ended"));
}

TEST(Watch, WithoutRecordsRulesAboutRequestsStandStill) {
  Scene s;
  AlertSettings settings = s.settings();
  settings.rules[0].measure = AlertMeasure::kErrorPercent;
  s.watch->set_settings(settings);
  s.watch->start();
  s.universe->run_for(minutes(1));
  EXPECT_FALSE(s.watch->view()->trouble.empty());
}

TEST(Watch, ABudgetThatPassesItsMarksIsToldOnceEach) {
  Scene s;
  Limits limits;
  limits.budgets = {{BudgetPeriod::kTotal, std::nullopt, 100}};
  auto meter = s.meters.meter_of("team", "red", limits, "acme");
  auto spend = [&](int64_t tokens) {
    quota::Moment now = quota::Moment::at(s.loop.now(), s.loop.wall_now());
    EXPECT_FALSE(meter->reserve({tokens, 0, 0}, now));
    meter->settle({tokens, 0, 0}, {tokens, 0, 0}, now);
  };
  AlertSettings settings = s.settings();
  settings.rules.clear();
  s.watch->set_settings(settings);
  s.watch->start();
  spend(79);
  s.universe->run_for(minutes(1));
  EXPECT_TRUE(s.got.empty());
  spend(4);
  s.universe->run_for(minutes(5));
  ASSERT_EQ(s.got.size(), 1u);
  EXPECT_TRUE(s.got[0].body.contains(R"({"event":"budget.warning","source":"here","unix_ms":)"));
  EXPECT_TRUE(s.got[0].body.contains(
      R"("budget":{"scope":"team","id":"red","tenant":"acme","period":"total","percent":83,"usd":null,)"
      R"("spent_usd":"0.000000000","tokens":100,"spent_tokens":83,"resets":null}})"))
      << s.got[0].body;
  ASSERT_EQ(s.budgets.size(), 1u);
  EXPECT_TRUE(s.got[0].body.contains(s.budgets[0]));
  spend(17);
  s.universe->run_for(minutes(5));
  ASSERT_EQ(s.got.size(), 2u);
  EXPECT_TRUE(s.got[1].body.contains("budget.exhausted"));
  EXPECT_EQ(s.said.size(), 2u);
}

TEST(AlertJson, WhatIsNoAlertIsNone) {
  for (std::string_view text : {"", "{}", "[]", R"({"rule":"a"})", R"({"rule":1,"fired":2})"})
    EXPECT_FALSE(alert_from(text)) << text;
}

}  // namespace
}  // namespace weir::alerts
