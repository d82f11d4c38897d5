// What providers list: whose word counts for a name, how often and by how many they are asked, and what
// happens where one fails, hangs or its asker leaves.
#include "weir/upstream/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/io/net/test_loop.h"

namespace weir::upstream {
namespace {

using io::Task;
using io::net::TestLoop;
using ::testing::ElementsAre;

class Lists final : public Provider {
 public:
  Lists(std::string name, std::vector<std::string> models)
      : models(std::move(models)), name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Task<Result<void>> call(const Attempt&, io::Cancel&) override { co_return Result<void>{}; }
  Task<bool> alive(io::Cancel&) override { co_return true; }
  void retire() override {}
  Task<Result<std::vector<wire::ListedModel>>> list(io::Cancel& cancel) override {
    ++asked;
    if (held) co_await held->wait(cancel);
    if (cancel.requested()) co_return fail_internal(ErrorCode::kCancelled, "left");
    if (broken) co_return fail_internal(ErrorCode::kUpstream, "answered 500");
    std::vector<wire::ListedModel> said;
    for (const std::string& model : models)
      said.push_back({.name = model});
    co_return said;
  }

  std::vector<std::string> models;
  io::Event* held = nullptr;  // it answers when this is told
  bool broken = false;
  int asked = 0;

 private:
  const std::string name_;
};

struct Scene {
  explicit Scene(TestLoop& t) : loop(t.loop()) {}
  Lists& add(std::string name, std::vector<std::string> patterns, std::vector<std::string> models) {
    ProviderSettings provider;
    provider.name = name;
    provider.models = std::move(patterns);
    settings.providers.push_back(std::move(provider));
    auto lists = std::make_unique<Lists>(std::move(name), std::move(models));
    Lists& mine = *lists;
    providers.push_back(std::move(lists));
    return mine;
  }
  Task<std::vector<std::string>> models() { co_return co_await models(never_left); }
  Task<std::vector<std::string>> models(io::Cancel& cancel) {
    if (!discovery) discovery.emplace(loop, providers, settings);
    std::vector<std::string> all;
    for (const wire::ListedModel& model : co_await discovery->models(cancel))
      all.push_back(model.provider + ":" + model.name);
    co_return all;
  }

  io::Loop& loop;
  io::Cancel never_left;
  Settings settings;
  std::vector<std::unique_ptr<Provider>> providers;
  std::optional<Discovery> discovery;
};

using Play = Task<void> (*)(Scene&);
Task<void> played(TestLoop& t, Play play) {
  Scene scene(t);
  co_await play(scene);
}
void run(Play play) {
  TestLoop t;
  t.run(played(t, play));
}

TEST(Discovery, ListsWhatWouldBeAskedOfThatProvider) {
  run([](Scene& s) -> Task<void> {
    s.add("named", {"a", "b"}, {"a", "c"});  // no pattern: it is not asked
    s.add("gpts", {"gpt-*"}, {"gpt-1", "davinci"});
    s.add("rest", {"*"}, {"gpt-2", "b", "z"});  // whose gpt-2 and b others would be asked for
    EXPECT_THAT(co_await s.models(), ElementsAre("gpts:gpt-1", "rest:z"));
    EXPECT_EQ(static_cast<Lists&>(*s.providers[0]).asked, 0);
  });
}

TEST(Discovery, IsAskedOnceForAWhile) {
  run([](Scene& s) -> Task<void> {
    Lists& p = s.add("p", {"*"}, {"m"});
    for (int i = 0; i < 3; ++i)
      EXPECT_THAT(co_await s.models(), ElementsAre("p:m"));
    EXPECT_EQ(p.asked, 1);
    Lists& q = s.add("q", {"*"}, {});
    q.broken = true;
    s.discovery.reset();
    EXPECT_THAT(co_await s.models(), ElementsAre("p:m"));
    EXPECT_THAT(co_await s.models(), ElementsAre("p:m"));
    EXPECT_EQ(q.asked, 1);  // a failure is good for a while as well
  });
}

Task<void> ask(Scene& s, io::Cancel& cancel, std::vector<std::string>& said) {
  said = co_await s.models(cancel);
}

TEST(Discovery, ManyAskersAreOneQuestion) {
  run([](Scene& s) -> Task<void> {
    io::Event held;
    Lists& p = s.add("p", {"*"}, {"m"});
    p.held = &held;
    std::vector<std::string> one, two;
    io::TaskGroup asking;
    asking.start(ask(s, s.never_left, one));
    asking.start(ask(s, s.never_left, two));
    held.notify();
    co_await asking.idle();
    EXPECT_THAT(one, ElementsAre("p:m"));
    EXPECT_THAT(two, ElementsAre("p:m"));
    EXPECT_EQ(p.asked, 1);
  });
}

// Who asked leaves; who waited for the answer asks by itself.
TEST(Discovery, AnAskerThatLeavesTakesNothingFromTheOthers) {
  run([](Scene& s) -> Task<void> {
    io::Event held;
    Lists& p = s.add("p", {"*"}, {"m"});
    p.held = &held;
    std::vector<std::string> one, two;
    io::Cancel leaves;
    io::TaskGroup asking;
    asking.start(ask(s, leaves, one));
    asking.start(ask(s, s.never_left, two));
    p.held = nullptr;
    leaves.request(io::CancelReason::kClientLeft);
    co_await asking.idle();
    EXPECT_THAT(two, ElementsAre("p:m"));
    EXPECT_EQ(p.asked, 2);
  });
}

TEST(Discovery, ASilentProviderHidesNoOther) {
  run([](Scene& s) -> Task<void> {
    io::Event never;
    Lists& silent = s.add("silent", {"s-*"}, {"s-1"});
    s.add("p", {"*"}, {"m"});
    silent.held = &never;
    EXPECT_THAT(co_await s.models(), ElementsAre("p:m"));  // after kListMax
    EXPECT_THAT(co_await s.models(), ElementsAre("p:m"));
    EXPECT_EQ(silent.asked, 1);
  });
}

}  // namespace
}  // namespace weir::upstream
