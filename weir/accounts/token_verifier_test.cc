// Tokens on one core: what is remembered and for how long, who waits for keys and who does not, and that a
// flood of unknown keys is one fetch.
#include "weir/accounts/token_verifier.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weir/accounts/jwks_source.h"
#include "weir/accounts/jwt_testing.h"
#include "weir/http/testing.h"
#include "weir/io/net/test_loop.h"

namespace weir::accounts {
namespace {

using http::testing::Guard;
using http::testing::TestServer;
using io::Task;

// A loop, a verifier on it, and who it says a token is about.
struct Scene {
  explicit Scene(io::Loop& l, TokenVerifier::Options options = {.remembered = 64})
      : loop(l),
        guard(l),
        verifier(
            l, options,
            [this](const TokenSubject& subject) -> TokenVerifier::Identified {
              ++identified;
              if (suspended) return fail(ErrorCode::kPermissionDenied, "suspended");
              auto identity = std::make_shared<exchange::Identity>();
              identity->name = subject.user;
              identity->tenant = subject.tenant;
              return identity;
            },
            [this](const std::string& issuer) {
              ++wanted;
              if (source) source->want(issuer);
            }) {}

  /// Its keys are here, fetched `ago`.
  void set_keys(TokenIssuerSettings settings, std::string_view json, Duration ago = {},
                uint64_t version = 1) {
    json::Parser parser;
    IssuerKeys issuer;
    issuer.settings = std::move(settings);
    for (const std::string& word : issuer.settings.algorithms)
      issuer.algorithms.push_back(*algorithm_of(word));
    issuer.fixed = !issuer.settings.hs256_key.empty();
    if (issuer.fixed)
      issuer.keys = std::make_shared<KeySet>(
          std::vector<TokenKey>{{"", std::nullopt, *SignatureKey::secret(issuer.settings.hs256_key)}});
    else if (!json.empty())
      issuer.keys = std::make_shared<KeySet>(*KeySet::parse(json, KeySet::Secrets::kRefused, parser));
    issuer.fetches = ++fetches;
    issuer.fetched = loop.now() + -ago;
    auto keys = std::make_shared<TokenKeys>();
    keys->issuers.push_back(std::make_shared<IssuerKeys>(std::move(issuer)));
    keys->version = version;
    verifier.set_keys(std::move(keys));
  }
  Task<std::string> ask(std::string token) {
    io::Cancel cancel;
    auto identity = co_await verifier.verify(token, sha256(token), cancel);
    co_return identity ? (*identity)->name : identity.error().reason + identity.error().message;
  }
  Task<void> ask_into(std::string token, std::string& into) { into = co_await ask(std::move(token)); }

  io::Loop& loop;
  Guard guard;
  TokenVerifier verifier;
  JwksSource* source = nullptr;
  bool suspended = false;
  int identified = 0, wanted = 0;
  uint64_t fetches = 0;
};

void run(Task<void> (*play)(Scene&)) {
  io::net::TestLoop t;
  auto all = [](io::Loop& loop, Task<void> (*p)(Scene&)) -> Task<void> {
    Scene scene(loop);
    co_await p(scene);
  };
  t.run(all(t.loop(), play));
}

constexpr std::string_view kRefused = "invalid_token";

std::string good_token(Scene& scene, int64_t left_s = 3600, std::string_view user = "ada") {
  return testing::token(fmt::format(R"({{"iss":"https://id.test","sub":"{}","exp":{}}})", user,
                                    scene.loop.wall_now().unix_s() + left_s));
}

TEST(TokenVerifier, VerifiesOnceAndRemembers) {
  run([](Scene& scene) -> Task<void> {
    scene.set_keys(testing::secret_issuer(), "");
    std::string token = good_token(scene);
    EXPECT_TRUE(scene.verifier.takes(token));
    EXPECT_FALSE(scene.verifier.takes("sk-123"));
    EXPECT_EQ(scene.verifier.known(sha256(token)), nullptr);
    EXPECT_EQ(co_await scene.ask(token), "ada");
    EXPECT_EQ(co_await scene.ask(token), "ada");
    EXPECT_EQ(scene.identified, 1);
    EXPECT_NE(scene.verifier.known(sha256(token)), nullptr);
    auto now = scene.verifier.verify_now(token, sha256(token));
    EXPECT_TRUE(now && (*now)->name == "ada");
    scene.verifier.purge();
    EXPECT_EQ(scene.verifier.known(sha256(token)), nullptr);
    EXPECT_EQ(co_await scene.ask(token), "ada");
    EXPECT_EQ(scene.identified, 2);
    EXPECT_EQ(scene.wanted, 0);
  });
}

// A18: tokens that begin alike, and one whose signature alone differs.
TEST(TokenVerifier, RemembersWholeTokensOnly) {
  run([](Scene& scene) -> Task<void> {
    scene.set_keys(testing::secret_issuer(), "");
    std::string token = good_token(scene);
    EXPECT_EQ(co_await scene.ask(token), "ada");
    for (size_t i = token.rfind('.') + 1; i < token.size() - 1; ++i) {
      std::string other = token;
      other[i] = other[i] == 'A' ? 'B' : 'A';
      EXPECT_TRUE((co_await scene.ask(other)).starts_with(kRefused)) << i;
    }
    EXPECT_EQ(co_await scene.ask(good_token(scene, 3600, "bob")), "bob");
    EXPECT_EQ(scene.identified, 2);
  });
}

TEST(TokenVerifier, NeverRemembersBeyondTheEnd) {
  run([](Scene& scene) -> Task<void> {
    scene.set_keys(testing::secret_issuer(), "");
    std::string ended = good_token(scene, -5);  // within the minute that clocks may differ
    EXPECT_EQ(co_await scene.ask(ended), "ada");
    EXPECT_EQ(co_await scene.ask(ended), "ada");
    EXPECT_EQ(scene.identified, 2);
    EXPECT_TRUE((co_await scene.ask(good_token(scene, -60))).starts_with(kRefused));
  });
}

TEST(TokenVerifier, ForgetsWithTheKeysAndAccounts) {
  run([](Scene& scene) -> Task<void> {
    scene.set_keys(testing::public_issuer(), testing::kKeys);
    std::string token(testing::kEs256Token);
    EXPECT_EQ(co_await scene.ask(token), "ada");
    scene.set_keys(testing::public_issuer(), testing::kKeys, {}, 1);  // fetched again, nothing new
    EXPECT_EQ(co_await scene.ask(token), "ada");
    EXPECT_EQ(scene.identified, 1);
    scene.set_keys(testing::public_issuer(), testing::kKeys, {}, 2);
    EXPECT_EQ(co_await scene.ask(token), "ada");
    EXPECT_EQ(scene.identified, 2);
    scene.suspended = true;
    scene.verifier.purge();
    EXPECT_EQ(co_await scene.ask(token), "suspended");
    EXPECT_EQ(scene.verifier.known(sha256(token)), nullptr);
  });
}

// A16: the algorithm is the issuer's and the key's to choose, never the token's.
TEST(TokenVerifier, AlgorithmsAreTheIssuers) {
  run([](Scene& scene) -> Task<void> {
    TokenIssuerSettings issuer = testing::public_issuer();
    issuer.algorithms = {"ES256"};
    scene.set_keys(issuer, testing::kKeys);
    EXPECT_EQ(co_await scene.ask(std::string(testing::kEs256Token)), "ada");
    for (std::string_view token : {testing::kRs256Token, testing::kPs256Token, testing::kEdDsaToken})
      EXPECT_TRUE((co_await scene.ask(std::string(token))).contains("algorithm")) << token;
    // Signed with the public key's own bytes as the secret.
    EXPECT_TRUE((co_await scene.ask(good_token(scene))).contains("algorithm"));
    issuer.issuer = "https://other.test";
    scene.set_keys(issuer, testing::kKeys, {}, 2);
    EXPECT_TRUE((co_await scene.ask(std::string(testing::kEs256Token))).contains("issuer is not known"));
    EXPECT_EQ(scene.wanted, 0);
  });
}

TEST(TokenVerifier, RefusesAtOnceAfterALateFetchAndAsksAfterALongOne) {
  run([](Scene& scene) -> Task<void> {
    constexpr std::string_view kOther =
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"other","x":"KXPBcj7F3Qcaen2MzOFxKJoCQHczAnNV2dMgKyIPpa8"}]})";
    scene.set_keys(testing::public_issuer(), kOther, seconds(59));
    EXPECT_TRUE((co_await scene.ask(std::string(testing::kEs256Token))).starts_with(kRefused));
    EXPECT_EQ(scene.wanted, 0);

    scene.set_keys(testing::public_issuer(), kOther, seconds(61));
    io::TaskGroup group;
    std::string came, other;
    group.start(scene.ask_into(std::string(testing::kEs256Token), came));
    std::string forged(testing::kEs256Token);
    forged[forged.size() - 9] ^= 1;
    group.start(scene.ask_into(forged, other));
    EXPECT_EQ(scene.verifier.waiting(), 2u);
    EXPECT_EQ(scene.wanted, 2);
    scene.set_keys(testing::public_issuer(), testing::kKeys);
    co_await group.idle();
    EXPECT_EQ(came, "ada");
    EXPECT_TRUE(other.starts_with(kRefused));
    EXPECT_EQ(scene.verifier.waiting(), 0u);
    // And a key that the fetch did not bring is refused from now on.
    EXPECT_TRUE(
        (co_await scene.ask(testing::token(R"({"iss":"https://id.test"})", R"({"alg":"ES256","kid":"x"})")))
            .starts_with(kRefused));
    EXPECT_EQ(scene.wanted, 2);
  });
}

TEST(TokenVerifier, WaitsWithinBounds) {
  io::net::TestLoop t;
  auto play = [](io::Loop& loop) -> Task<void> {
    Scene scene(loop, {.remembered = 64, .waiting_max = 1});
    scene.set_keys(testing::public_issuer(), "", seconds(61));
    io::TaskGroup group;
    std::string first;
    io::Cancel leaves;
    auto asked = [](Scene& s, io::Cancel& cancel, std::string& into) -> Task<void> {
      std::string token(testing::kEs256Token);
      auto identity = co_await s.verifier.verify(token, sha256(token), cancel);
      into = identity ? "" : std::string(name(identity.error().code));
    };
    group.start(asked(scene, leaves, first));
    EXPECT_EQ(scene.verifier.waiting(), 1u);
    EXPECT_TRUE(
        (co_await scene.ask(std::string(testing::kRs256Token))).starts_with(kRefused));  // one too many
    leaves.request(io::CancelReason::kClientLeft);
    co_await group.idle();
    EXPECT_EQ(first, "cancelled");
    EXPECT_EQ(scene.verifier.waiting(), 0u);
  };
  t.run(play(t.loop()));
}

// ---- with a source that fetches

// An issuer's web server: what it answers, and how often it was asked.
struct Issuer {
  explicit Issuer(io::Loop& loop)
      : server(loop, [this](http::Request& q, http::ResponseWriter& r) { return play(q, r); }) {}
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server.address().port); }
  Task<void> play(http::Request& request, http::ResponseWriter& response) {
    ++asked;
    std::string path(request.head.path);
    paths.push_back(path);
    if (held) co_await go_on.wait(request.cancel);
    std::vector<Header> headers;
    for (const auto& [name, value] : more)
      headers.push_back({name, value});
    co_await response.send(status, headers, path.ends_with("openid-configuration") ? document : body);
  }
  std::string body = std::string(testing::kKeys), document;
  OwnedHeaders more;
  int status = 200;
  bool held = false;
  io::Event go_on;
  int asked = 0;
  std::vector<std::string> paths;
  TestServer server;
};

struct Fetching {
  explicit Fetching(io::Loop& loop)
      : scene(loop),
        issuer(loop),
        source(
            loop,
            [this](std::shared_ptr<const TokenKeys> keys) {
              scene.verifier.set_keys(std::move(keys));
              ++published;
              changed.notify();
            },
            [this](bool bad, std::string_view sentence) {
              said += fmt::format("{}{}\n", bad ? "!" : "", sentence);
            }) {
    scene.source = &source;
  }
  TokenIssuerSettings settings(std::string path = "/keys") {
    TokenIssuerSettings s = testing::public_issuer();
    s.jwks_url = issuer.url() + path;
    return s;
  }
  Task<void> until_fetched(uint64_t n = 1) {
    io::Cancel scope;
    while (source.keys()->issuers.empty() || source.keys()->issuers[0]->fetches < n)
      co_await changed.wait(scope);
  }
  Task<void> close() {
    co_await source.finish();
    co_await issuer.server.close();
  }
  Scene scene;
  Issuer issuer;
  JwksSource source;
  io::Event changed;
  int published = 0;
  std::string said;
};

void run(Task<void> (*play)(Fetching&)) {
  io::net::TestLoop t;
  auto all = [](io::Loop& loop, Task<void> (*p)(Fetching&)) -> Task<void> {
    Fetching fetching(loop);
    co_await p(fetching);
    co_await fetching.close();
  };
  t.run(all(t.loop(), play));
}

// A19: a thousand tokens with a thousand unknown keys while the keys are fetched, and after.
TEST(JwksSource, AFloodIsOneFetch) {
  run([](Fetching& f) -> Task<void> {
    f.issuer.held = true;
    f.source.set_issuers({f.settings()});
    io::TaskGroup group;
    std::vector<std::string> answers(200);
    for (std::string& answer : answers)
      group.start(f.scene.ask_into(
          &answer == &answers.back()
              ? std::string(testing::kEs256Token)
              : testing::token(R"({"iss":"https://id.test"})",
                               fmt::format(R"({{"alg":"ES256","kid":"{}"}})", &answer - answers.data())),
          answer));
    EXPECT_EQ(f.scene.verifier.waiting(), 200u);
    io::Cancel scope;
    while (f.issuer.asked == 0)
      co_await io::sleep(f.scene.loop, milliseconds(8), scope);
    f.issuer.held = false;
    f.issuer.go_on.notify();
    co_await group.idle();
    EXPECT_EQ(answers.back(), "ada");
    answers.pop_back();
    for (const std::string& answer : answers)
      EXPECT_TRUE(answer.starts_with(kRefused)) << answer;
    for (int i = 0; i < 1000; ++i)
      EXPECT_TRUE(
          (co_await f.scene.ask(testing::token(R"({"iss":"https://id.test"})",
                                               fmt::format(R"({{"alg":"ES256","kid":"late{}"}})", i))))
              .starts_with(kRefused));
    EXPECT_EQ(f.issuer.asked, 1);
    EXPECT_EQ(co_await f.scene.ask(std::string(testing::kRs256Token)), "ada");
  });
}

TEST(JwksSource, DiscoversAndKeepsWithinBounds) {
  run([](Fetching& f) -> Task<void> {
    TokenIssuerSettings s = testing::public_issuer();
    s.issuer = f.issuer.url() + "/realm";
    f.issuer.document =
        fmt::format(R"({{"issuer":"{}","jwks_uri":"{}/certs?x=1"}})", s.issuer, f.issuer.url());
    f.source.set_issuers({s});
    co_await f.until_fetched();
    EXPECT_NE(f.source.keys()->issuers[0]->keys, nullptr) << f.said;
    EXPECT_EQ(f.issuer.paths,
              (std::vector<std::string>{"/realm/.well-known/openid-configuration", "/certs"}));
    EXPECT_TRUE(f.scene.verifier.warnings().empty());
    // The same settings again: nothing is asked. Others: asked anew.
    f.source.set_issuers({s});
    EXPECT_EQ(f.source.keys()->issuers[0]->fetches, 1u);
    EXPECT_EQ(f.issuer.asked, 2);
  });
}

std::string discovery_fault(std::string (*document)(const std::string& issuer)) {
  static std::string fault;  // written before it is read, by the one test that runs
  static std::string (*make)(const std::string&);
  make = document;
  run([](Fetching& f) -> Task<void> {
    TokenIssuerSettings s = testing::public_issuer();
    s.issuer = f.issuer.url();
    f.issuer.document = make(s.issuer);
    f.source.set_issuers({s});
    co_await f.until_fetched();
    EXPECT_EQ(f.source.keys()->issuers[0]->keys, nullptr);
    EXPECT_EQ(f.scene.verifier.warnings().size(), 1u);
    EXPECT_EQ(f.issuer.asked, 1);  // nothing further went out
    fault = f.said;
  });
  return fault;
}

TEST(JwksSource, ADiscoveryDocumentLeadsNowhereElse) {
  auto leads_to = [](std::string_view where) {
    static std::string target;
    target = where;
    return discovery_fault([](const std::string& issuer) {
      return fmt::format(R"({{"issuer":"{}","jwks_uri":"{}"}})", issuer, target);
    });
  };
  for (std::string_view inside :
       {"https://169.254.169.254/latest/meta-data", "https://10.0.0.1/k", "https://localhost/k",
        "https://[::1]/k", "http://127.0.0.1:1/k", "https://2130706433/k", "https://[::ffff:7f00:1]/k"})
    EXPECT_TRUE(leads_to(inside).contains("private address")) << inside;
  for (std::string_view odd : {"http://id.test/k", "file:///etc/passwd", "unix:/run/docker.sock", ""})
    EXPECT_TRUE(leads_to(odd).contains("no https address")) << odd;
  EXPECT_TRUE(discovery_fault([](const std::string&) {
                return std::string(R"({"issuer":"https://evil.test","jwks_uri":"https://evil.test/k"})");
              }).contains("another issuer"));
  EXPECT_TRUE(
      discovery_fault([](const std::string&) { return std::string("[]"); }).contains("no JSON object"));
}

TEST(JwksSource, TakesNothingButTheAnswer) {
  run([](Fetching& f) -> Task<void> {
    f.issuer.status = 302;
    f.issuer.more = {{"location", f.issuer.url() + "/elsewhere"}};
    f.source.set_issuers({f.settings()});
    co_await f.until_fetched();
    EXPECT_TRUE(f.said.contains("status is 302")) << f.said;
    EXPECT_EQ(f.issuer.asked, 1);
  });
  run([](Fetching& f) -> Task<void> {
    f.issuer.body.assign(300 << 10, ' ');
    f.source.set_issuers({f.settings()});
    co_await f.until_fetched();
    EXPECT_TRUE(f.said.contains("256 KiB")) << f.said;
  });
  run([](Fetching& f) -> Task<void> {
    f.issuer.more = {{"content-encoding", "gzip"}};
    f.source.set_issuers({f.settings()});
    co_await f.until_fetched();
    EXPECT_TRUE(f.said.contains("coding")) << f.said;
  });
  run([](Fetching& f) -> Task<void> {
    f.issuer.body = R"({"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})";
    f.source.set_issuers({f.settings()});
    co_await f.until_fetched();
    EXPECT_TRUE(f.said.contains("secret")) << f.said;
  });
  run([](Fetching& f) -> Task<void> {
    TokenIssuerSettings s = testing::public_issuer("/there/is/no/such/file");
    f.source.set_issuers({s});
    co_await f.until_fetched();
    EXPECT_TRUE(f.said.contains("/there/is/no/such/file")) << f.said;
    EXPECT_TRUE((co_await f.scene.ask(std::string(testing::kEs256Token))).starts_with(kRefused));
  });
}

TEST(JwksSource, AnIssuerThatIsGoneIsGone) {
  run([](Fetching& f) -> Task<void> {
    f.issuer.held = true;
    f.source.set_issuers({f.settings(), [] {
                            TokenIssuerSettings s = testing::secret_issuer();
                            s.issuer = "https://shared.test";
                            return s;
                          }()});
    std::string answer;
    io::TaskGroup group;
    group.start(f.scene.ask_into(std::string(testing::kEs256Token), answer));
    EXPECT_EQ(f.scene.verifier.waiting(), 1u);
    f.source.set_issuers({});
    co_await group.idle();
    EXPECT_TRUE(answer.contains("issuer is not known")) << answer;
    EXPECT_FALSE(f.scene.verifier.takes(testing::kEs256Token));
  });
}

}  // namespace
}  // namespace weir::accounts
