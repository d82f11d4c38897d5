// What a signed token costs the request that carries it: known (hash and look), verified (each algorithm),
// and refused because its signature is not its issuer's. On a real loop; tokens of 300 to 700 bytes.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "weir/accounts/jwt_testing.h"
#include "weir/accounts/token_identity.h"
#include "weir/accounts/token_verifier.h"
#include "weir/base/assert.h"
#include "weir/io/net/runtime.h"

namespace {

using namespace weir;
using namespace weir::accounts;

struct Verifying {
  explicit Verifying(size_t remembered)
      : runtime(*io::net::Runtime::create({.cores = 1})),
        verifier(
            runtime->loop(0), {.remembered = remembered},
            [](const TokenSubject& subject) { return identity_of(subject, nullptr); },
            [](const std::string&) {}) {
    json::Parser parser;
    auto issuer = std::make_shared<IssuerKeys>();
    issuer->settings = accounts::testing::public_issuer();
    issuer->algorithms = {Algorithm::kRs256, Algorithm::kPs256, Algorithm::kEs256, Algorithm::kEdDsa};
    issuer->keys =
        std::make_shared<KeySet>(*KeySet::parse(accounts::testing::kKeys, KeySet::Secrets::kRefused, parser));
    auto keys = std::make_shared<TokenKeys>();
    keys->issuers.push_back(std::move(issuer));
    verifier.set_keys(std::move(keys));
  }
  std::unique_ptr<io::net::Runtime> runtime;
  TokenVerifier verifier;
};

void token_known(benchmark::State& state, std::string_view token) {
  Verifying v(65536);
  WEIR_ASSERT(v.verifier.verify_now(token, sha256(token)));
  for (auto _ : state) {
    auto identity = v.verifier.takes(token) ? v.verifier.known(sha256(token)) : nullptr;
    WEIR_ASSERT(identity);
    benchmark::DoNotOptimize(identity);
  }
}

void token_verified(benchmark::State& state, std::string_view token) {
  Verifying v(8);
  Sha256 digest = sha256(token);
  for (auto _ : state) {
    auto identity = v.verifier.verify_now(token, digest);
    WEIR_ASSERT(identity);
    v.verifier.purge();
  }
}

void token_forged(benchmark::State& state, std::string_view genuine) {
  Verifying v(8);
  std::string token(genuine);
  token[token.size() - 9] ^= 1;
  Sha256 digest = sha256(token);
  for (auto _ : state) {
    auto identity = v.verifier.verify_now(token, digest);
    WEIR_ASSERT(!identity);
  }
}

BENCHMARK_CAPTURE(token_known, es256, accounts::testing::kEs256Token);
BENCHMARK_CAPTURE(token_known, rs256, accounts::testing::kRs256Token);
BENCHMARK_CAPTURE(token_verified, rs256, accounts::testing::kRs256Token);
BENCHMARK_CAPTURE(token_verified, ps256, accounts::testing::kPs256Token);
BENCHMARK_CAPTURE(token_verified, es256, accounts::testing::kEs256Token);
BENCHMARK_CAPTURE(token_verified, eddsa, accounts::testing::kEdDsaToken);
BENCHMARK_CAPTURE(token_forged, es256, accounts::testing::kEs256Token);

}  // namespace

BENCHMARK_MAIN();
