// The gate over real sockets: who comes through, in which order things are refused, what an answer says.
#include "weir/admin/handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "weir/accounts/key.h"
#include "weir/http/testing.h"

namespace weir::admin {
namespace {

using http::testing::get;
using http::testing::Guard;
using http::testing::post;
using http::testing::RawClient;
using http::testing::Reply;
using ::testing::HasSubstr;

// A key of tenant acme for each role, whose name is the role's.
struct People {
  explicit People(io::Loop& loop) : authenticator(loop) {
    auto peppers = std::make_shared<const accounts::Peppers>(std::vector{Secret(std::string_view("p"))});
    store::AccountStore::Everything all;
    store::Account tenant;
    tenant.kind = store::AccountKind::kTenant;
    tenant.id = tenant.tenant = "acme";
    all.accounts.push_back(tenant);
    for (const accounts::Role& role : accounts::kRoles) {
      accounts::NewKey made = accounts::make_key(loop.random());
      store::Account key = tenant;
      key.kind = store::AccountKind::kKey;
      key.id = made.id;
      key.name = role.name;
      key.roles = {key.name};
      key.secrets = {{peppers->digest(made.text.reveal()), peppers->current(), made.last4, 0, 0}};
      all.accounts.push_back(key);
      keys.emplace("$" + key.name, made.text.reveal());
    }
    authenticator.set_directory(accounts::Directory::build(all, peppers, {}));
  }
  accounts::Authenticator authenticator;
  std::map<std::string, std::string> keys;
};

io::Task<Reply> ask(io::Loop& loop, std::string bytes) {
  Guard guard(loop);
  People people(loop);
  for (const auto& [name, key] : people.keys)
    if (size_t at = bytes.find(name); at != bytes.npos) bytes.replace(at, name.size(), key);
  Handler handler(loop);
  handler.set_world(
      std::make_shared<const World>(World{std::make_shared<const Settings>(), &people.authenticator}));
  http::testing::TestServer server(loop, [&](http::Request& request, http::ResponseWriter& response) {
    return handler.serve(request, response);
  });
  RawClient client(loop, guard.scope());
  EXPECT_TRUE(co_await client.connect(server.address()));
  Reply reply = co_await client.ask(std::move(bytes));
  co_await server.close();
  co_return reply;
}

Reply reply_to(std::string bytes) {
  io::net::TestLoop host;
  Reply reply;
  auto play = [](io::Loop& loop, std::string text, Reply& out) -> io::Task<void> {
    out = co_await ask(loop, std::move(text));
  };
  host.run(play(host.loop(), std::move(bytes), reply));
  return reply;
}

constexpr std::string_view kAuditor = "Authorization: Bearer $auditor\r\n";

TEST(AdminHandler, SaysWhoOneIs) {
  Reply reply = reply_to(get("/admin/v1/me", kAuditor));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("cache-control"), "no-store");
  EXPECT_EQ(reply.header("x-content-type-options"), "nosniff");
  EXPECT_THAT(reply.header("x-request-id"), HasSubstr("req_"));
  size_t key = reply.body.find(R"("key":")") + 7;
  reply.body.replace(key, accounts::kKeyIdBytes, "@");
  EXPECT_EQ(reply.body,
            R"({"name":"auditor","tenant":"acme","team":null,"user":null,"key":"@","roles":["auditor"],)"
            R"("permissions":["tenants.read","people.read","keys.read","audit.read","usage.read",)"
            R"("overview.read","requests.read","config.read"]})");
}

TEST(AdminHandler, NobodyLearnsWhichPathsThereAre) {
  for (std::string path : {"/admin/v1/me", "/admin/v1/nothing", "/admin/"})
    for (std::string headers : {"", "Authorization: Bearer wrong\r\n"}) {
      Reply reply = reply_to(get(path, headers));
      EXPECT_EQ(reply.status, 401) << path;
      EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    }
}

TEST(AdminHandler, APathHasOneSpelling) {
  for (std::string path :
       {"/admin/v1/nothing", "/admin/v1/me/", "/admin/v1//me", "/admin/V1/me", "/admin//v1/me",
        "/admin/v1/%6de", "/admin/v1/me.", "/admin/v1/../v1/me", "/admin/v1/x/%2e%2e/me"})
    EXPECT_EQ(reply_to(get(path, kAuditor)).status, 404) << path;
}

TEST(AdminHandler, AHeaderIsNoMethod) {
  Reply reply = reply_to(post("/admin/v1/me", "{}", kAuditor));
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("allow"), "GET");
  for (std::string_view name : {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"})
    EXPECT_EQ(
        reply_to(post("/admin/v1/me", "{}", std::string(kAuditor) + std::string(name) + ": GET\r\n")).status,
        405);
}

TEST(AdminHandler, ADenialIsTheSameForAllTenantsOfOthers) {
  EXPECT_EQ(reply_to(get("/admin/v1/me?tenant=other", kAuditor)).status, 200) << "shows no tenant's data";
}

TEST(Routes, EachOnceAndWellFormed) {
  for (const Row& row : rows()) {
    int same = 0;
    for (const Row& other : rows())
      same += other.method == row.method && other.pattern == row.pattern;
    EXPECT_EQ(same, 1) << row.pattern;
    EXPECT_TRUE(row.pattern.starts_with("/admin/v1/") || row.pattern.starts_with("/console"));
    EXPECT_TRUE(row.tenant == Tenant::kNone || row.takes.permissions != 0)
        << row.pattern << ": whose data it is, is nobody's business without a permission";
    std::string path(row.pattern);
    if (size_t at = path.find("{id}"); at != path.npos) path.replace(at, 4, "k-1_2");
    if (path.ends_with("*")) path.replace(path.size() - 1, 1, "a/b");
    Match found = match(path);
    ASSERT_NE(found.of(row.method), nullptr) << path;
    EXPECT_EQ(found.of(row.method), &row);
  }
}

}  // namespace
}  // namespace weir::admin
