// What it costs to know who asks: a key of the accounts among a thousand and among a million, one that is
// nobody's, a mistyped one, a key of the configuration; whole, from the request's headers to its principal.
// There is no store here at all: what is measured can not call one.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "weir/accounts/authenticator.h"
#include "weir/accounts/key.h"
#include "weir/base/assert.h"
#include "weir/io/net/runtime.h"

namespace {

using namespace weir;
using namespace weir::accounts;

struct House {
  explicit House(size_t keys)
      : runtime(*io::net::Runtime::create({.cores = 1})), authenticator(runtime->loop(0)) {
    io::Random& random = runtime->loop(0).random();
    auto peppers =
        std::make_shared<const Peppers>(std::vector{Secret(std::string_view("pepper of a bench"))});
    store::AccountStore::Everything all;
    all.accounts.reserve(keys + 1);
    store::Account tenant;
    tenant.kind = store::AccountKind::kTenant;
    tenant.id = tenant.tenant = "acme";
    all.accounts.push_back(tenant);
    for (size_t n = 0; n < keys; ++n) {
      store::Account key = tenant;
      key.kind = store::AccountKind::kKey;
      NewKey made = make_key(random);
      key.id = made.id;
      key.name = "k";
      key.secrets = {{peppers->digest(made.text.reveal()), peppers->current(), made.last4, 0, 0}};
      if (texts.size() < 1024) texts.push_back("Bearer " + std::string(made.text.reveal()));
      all.accounts.push_back(std::move(key));
    }
    authenticator.set_directory(Directory::build(all, peppers, {}));
    AuthSettings settings;
    settings.keys.push_back({"configured", sha256("sk-of-the-configuration"), {}});
    authenticator.set_settings(settings);
    stranger = "Bearer " + std::string(make_key(random).text.reveal());
    mistyped = texts.front();
    mistyped.back() = mistyped.back() == 'x' ? 'y' : 'x';
  }
  // With the headers that a client of OpenAI's sends.
  bool ask(std::string_view authorization) {
    const Header headers[] = {{"host", "127.0.0.1:8080"},
                              {"accept", "application/json"},
                              {"content-type", "application/json"},
                              {"user-agent", "OpenAI/Python 1.0"},
                              {"authorization", authorization}};
    auto who = authenticator.authenticate_at_once(headers, true);
    benchmark::DoNotOptimize(who);
    return who && who->has_value();
  }

  std::unique_ptr<io::net::Runtime> runtime;
  Authenticator authenticator;
  std::vector<std::string> texts;
  std::string stranger, mistyped;
};

// A million keys take seconds to make: once for all repetitions.
House& house_of(size_t keys) {
  static std::map<size_t, std::unique_ptr<House>> houses;
  std::unique_ptr<House>& house = houses[keys];
  if (!house) house = std::make_unique<House>(keys);
  return *house;
}

void key_known(benchmark::State& state) {
  House& house = house_of(static_cast<size_t>(state.range(0)));
  size_t n = 0;
  for (auto _ : state)
    WEIR_ASSERT(house.ask(house.texts[n++ % house.texts.size()]));
}
BENCHMARK(key_known)->Arg(1000)->Arg(1'000'000);

void key_of_nobody(benchmark::State& state) {
  House& house = house_of(1000);
  for (auto _ : state)
    WEIR_ASSERT(!house.ask(house.stranger));
}
BENCHMARK(key_of_nobody);

void key_mistyped(benchmark::State& state) {
  House& house = house_of(1000);
  for (auto _ : state)
    WEIR_ASSERT(!house.ask(house.mistyped));
}
BENCHMARK(key_mistyped);

void key_configured(benchmark::State& state) {
  House& house = house_of(1000);
  for (auto _ : state)
    WEIR_ASSERT(house.ask("Bearer sk-of-the-configuration"));
}
BENCHMARK(key_configured);

}  // namespace

BENCHMARK_MAIN();
