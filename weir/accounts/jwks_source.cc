#include "weir/accounts/jwks_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "weir/accounts/jwks_fetch.h"

namespace weir::accounts {
namespace {

constexpr Duration kStaleMax = std::chrono::hours(24);

}  // namespace

struct JwksSource::Source {
  explicit Source(const TokenIssuerSettings& s) : settings(s) {
    for (const std::string& word : settings.algorithms)
      if (auto algorithm = algorithm_of(word)) algorithms.push_back(*algorithm);
  }
  bool fixed() const { return !settings.hs256_key.empty(); }
  IssuerKeys keys_now() const {
    return {settings, algorithms, keys, fetches, fetched, fixed(), !trouble.empty()};
  }

  const TokenIssuerSettings settings;
  std::vector<Algorithm> algorithms;
  std::shared_ptr<const KeySet> keys;
  std::string text;  // what they were read from
  MonoTime seen;     // when they last were
  uint64_t fetches = 0;
  MonoTime fetched;
  bool wanted = false;
  std::string trouble;  // of the last fetch; empty: none
  io::Event woken;
  io::Cancel ending;
};

JwksSource::JwksSource(io::Loop& loop, Publish publish, Say say)
    : loop_(loop), publish_(std::move(publish)), say_(std::move(say)) {}

JwksSource::~JwksSource() {
  WEIR_ASSERT(tasks_.running() == 0);
}

void JwksSource::set_issuers(const std::vector<TokenIssuerSettings>& issuers) {
  std::vector<std::shared_ptr<Source>> before = std::exchange(sources_, {});
  std::vector<std::shared_ptr<Source>> made;
  for (const TokenIssuerSettings& issuer : issuers) {
    auto same = std::ranges::find_if(before, [&](const auto& s) { return s && s->settings == issuer; });
    if (same != before.end()) {
      sources_.push_back(std::exchange(*same, nullptr));
      continue;
    }
    auto source = std::make_shared<Source>(issuer);
    if (source->fixed()) {
      auto key = SignatureKey::secret(issuer.hs256_key);
      WEIR_ASSERT(key);  // the settings were checked
      source->keys =
          std::make_shared<KeySet>(std::vector<TokenKey>{{"", Algorithm::kHs256, *std::move(key)}});
    } else {
      made.push_back(source);
    }
    sources_.push_back(std::move(source));
  }
  ++version_;
  publish();
  for (const std::shared_ptr<Source>& gone : before)
    if (gone) gone->ending.request(io::CancelReason::kAbandoned);
  for (std::shared_ptr<Source>& source : made)
    tasks_.start(keep(std::move(source)));
}

void JwksSource::want(const std::string& issuer) {
  for (const std::shared_ptr<Source>& source : sources_) {
    if (source->settings.issuer != issuer || source->fixed()) continue;
    source->wanted = true;
    source->woken.notify();
    return;
  }
}

Duration JwksSource::until_fetch(const Source& source) const {
  Duration age = loop_.now() - source.fetched;
  bool early = source.wanted || !source.trouble.empty();
  Duration pause = early ? kFetchPauseMin : std::max<Duration>(source.settings.refresh, kFetchPauseMin);
  return std::max<Duration>(pause - age, Duration{});
}

io::Task<void> JwksSource::keep(std::shared_ptr<Source> source) {
  while (!source->ending.requested()) {
    source->wanted = false;
    auto text = co_await fetch_key_set(loop_, source->settings, source->ending);
    if (source->ending.requested()) break;
    ++source->fetches;
    source->fetched = loop_.now();
    source->wanted = false;
    take(*source, std::move(text));
    publish();
    for (Duration left = until_fetch(*source); left > Duration{} && !source->ending.requested();
         left = until_fetch(*source)) {
      io::Cancel scope(source->ending);
      io::Timeout due(scope, io::CancelReason::kIdleTimeout);
      loop_.arm(due, left);
      co_await source->woken.wait(scope);
    }
  }
}

void JwksSource::take(Source& source, Result<std::string> text) {
  std::string trouble;
  if (!text) {
    trouble = text.error().message;
  } else if (source.keys && *text == source.text) {
    source.seen = loop_.now();
  } else {
    auto secrets = std::ranges::find(source.algorithms, Algorithm::kHs256) != source.algorithms.end()
                       ? KeySet::Secrets::kAllowed
                       : KeySet::Secrets::kRefused;
    auto keys = KeySet::parse(*text, secrets, parser_);
    if (keys) {
      for (const std::string& sentence : keys->left_out())
        say_(true, fmt::format("issuer {}: {}; it is not used", source.settings.name, sentence));
      if (source.keys) ++version_;  // a key that is gone opens nothing any more
      source.keys = std::make_shared<const KeySet>(*std::move(keys));
      source.text = *std::move(text);
      source.seen = loop_.now();
    } else {
      trouble = keys.error().message;
    }
  }
  if (!trouble.empty() && source.keys && loop_.now() - source.seen > kStaleMax) {
    source.keys = nullptr;
    source.text.clear();
    ++version_;
  }
  if (!trouble.empty())
    say_(true, fmt::format("issuer {}: its keys could not be fetched: {}{}", source.settings.name, trouble,
                           source.keys ? "; those it had stay" : ""));
  else if (!source.trouble.empty() || source.fetches == 1)
    say_(false,
         fmt::format("issuer {}: its keys are here: {}", source.settings.name, source.keys->keys().size()));
  source.trouble = std::move(trouble);
}

void JwksSource::publish() {
  auto keys = std::make_shared<TokenKeys>();
  keys->version = version_;
  for (const std::shared_ptr<Source>& source : sources_)
    keys->issuers.push_back(std::make_shared<const IssuerKeys>(source->keys_now()));
  published_ = std::move(keys);
  publish_(published_);
}

io::Task<void> JwksSource::finish() {
  for (const std::shared_ptr<Source>& source : sources_)
    source->ending.request(io::CancelReason::kShutdown);
  co_await tasks_.idle();
}

}  // namespace weir::accounts
