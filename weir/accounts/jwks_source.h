// JwksSource: keeps the issuers' keys: from a file, a URL, or where the issuer's discovery document says they
// are. Fetched when the configuration is taken, when they are older than `refresh`, and when a token names a
// key that is not among them, one fetch an issuer at a time and never within a minute of the last. When a
// fetch fails the keys stay for a day after they were last seen. What it asks is what the operator wrote:
// https (or this machine), the answer of that very address (redirects are not followed), at most 256 KiB; a
// discovery document can send it to another host only by https and never to a private address. Lives on one
// loop; publishes what changed as an immutable whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/accounts/token_keys.h"
#include "weir/io/loop.h"
#include "weir/io/task.h"

namespace weir::accounts {

class JwksSource {
 public:
  using Publish = std::function<void(std::shared_ptr<const TokenKeys> keys)>;
  using Say = std::function<void(bool bad, std::string_view sentence)>;

  JwksSource(io::Loop& loop, Publish publish, Say say);
  JwksSource(const JwksSource&) = delete;
  JwksSource& operator=(const JwksSource&) = delete;
  /// Requires: finish() has ended, or nothing was ever fetched.
  ~JwksSource();

  /// Publishes them at once: an issuer that is as before keeps its keys, the others are fetched now.
  void set_issuers(const std::vector<TokenIssuerSettings>& issuers);
  /// A token named a key that this issuer does not have. Answered by a publication, after a fetch.
  void want(const std::string& issuer);
  /// What is known now.
  std::shared_ptr<const TokenKeys> keys() const { return published_; }

  /// Ends what is under way, and resumes when nothing is.
  io::Task<void> finish();

 private:
  struct Source;
  io::Task<void> keep(std::shared_ptr<Source> source);
  void take(Source& source, Result<std::string> text);
  Duration until_fetch(const Source& source) const;
  void publish();

  io::Loop& loop_;
  const Publish publish_;
  const Say say_;
  std::vector<std::shared_ptr<Source>> sources_;  // shared with the task that keeps each
  std::shared_ptr<const TokenKeys> published_ = std::make_shared<TokenKeys>();
  uint64_t version_ = 0;
  json::Parser parser_;
  io::TaskGroup tasks_;
};

}  // namespace weir::accounts
