// AccountStore: tenants, teams, users and keys, and the audit log of what was done to them. One record shape
// for all four kinds: they differ in which fields they use. Changes are transactions: what one wrote is there
// wholly, its audit rows included, or not at all; two at a time come one after the other. One number grows
// with every change, so others see that there is something new without reading it. Holds no key, only digests
// made with a pepper that is not here.
// Thread-safe. Blocks: used on worker threads (io::offload). Errors: kIo, also for data of a later weir,
// which is left as it is; kUnavailable: a store elsewhere cannot be reached.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/hash.h"
#include "weir/base/limits.h"
#include "weir/base/result.h"

namespace weir::store {

enum class AccountKind : uint8_t { kTenant, kTeam, kUser, kKey };
constexpr std::string_view name(AccountKind kind) {
  constexpr std::string_view kNames[] = {"tenant", "team", "user", "key"};
  return kNames[static_cast<size_t>(kind)];
}

/// One of the secrets that a key is known by; two while it is rotated.
struct KeySecret {
  Sha256 digest{};              // HMAC-SHA256 of the key's text
  uint32_t pepper = 0;          // which one
  std::string last4;            // of the text: for people
  int64_t created_unix_ms = 0;  //
  int64_t expires_unix_ms = 0;  // 0: with the key
  friend bool operator==(const KeySecret&, const KeySecret&) = default;
};

struct Account {
  AccountKind kind = AccountKind::kKey;
  std::string id;
  std::string tenant;  // its own id, of a tenant
  std::string team;    // of a user or a key; empty: none
  std::string user;    // of a key; empty: a service's
  std::string name;
  std::vector<std::string> roles;   // of a user or a key
  std::vector<std::string> models;  // of a key: exact names or "prefix*"; empty: every model
  Limits limits;
  bool suspended = false;
  int64_t created_unix_ms = 0;
  int64_t expires_unix_ms = 0;  // of a key; 0: never
  int64_t revoked_unix_ms = 0;  // of a key; 0: it is not
  std::vector<KeySecret> secrets;
  friend bool operator==(const Account&, const Account&) = default;
};

struct AuditRow {
  int64_t sequence = 0;  // from 1, in the order of the changes; given by the store
  int64_t unix_ms = 0;
  std::string tenant;    // whose matter it is
  std::string actor;     // "key 4fGh2kLm", "key admin of the configuration", "weir"
  std::string action;    // "keys.create"
  std::string object;    // the id
  bool refused = false;  // it was tried
  std::string detail;    // a JSON object: what changed, or why it was refused; never a secret
  std::string request;   // id of the request
  std::string peer;      // address
  friend bool operator==(const AuditRow&, const AuditRow&) = default;
};

/// Reads and writes inside one transaction.
class AccountTransaction {
 public:
  virtual Result<std::optional<Account>> find(AccountKind kind, std::string_view id) = 0;
  struct Filter {
    AccountKind kind = AccountKind::kKey;
    std::optional<std::string> tenant, team, user;
    std::string after;  // an id
    size_t limit = 1000;
  };
  /// In the order of the ids.
  virtual Result<std::vector<Account>> list(const Filter& filter) = 0;
  /// Makes it, or replaces the one of its kind and id.
  virtual Result<void> put(const Account& account) = 0;
  virtual Result<void> remove(AccountKind kind, std::string_view id) = 0;
  virtual Result<void> add_audit(const AuditRow& row) = 0;

 protected:
  ~AccountTransaction() = default;
};

class AccountStore {
 public:
  virtual ~AccountStore() = default;

  /// Runs `work` in a transaction; when it fails, nothing of it was done, and its error is the answer.
  virtual Result<void> change(const std::function<Result<void>(AccountTransaction&)>& work) = 0;

  /// Grows with every change that put or removed; audit rows alone leave it.
  virtual Result<uint64_t> version() = 0;
  struct Everything {
    uint64_t version = 0;
    std::vector<Account> accounts;  // tenants, teams, users, keys, each by id
  };
  /// As of one moment.
  virtual Result<Everything> read_all() = 0;

  struct AuditFilter {
    std::optional<std::string> tenant;
    std::optional<std::string> action;  // its beginning
    int64_t before = 0;                 // a sequence number; 0: from the newest
    size_t limit = 100;
  };
  /// The newest first.
  virtual Result<std::vector<AuditRow>> audit(const AuditFilter& filter) = 0;
  /// Of the `most` oldest audit rows removes those from before `before_unix_ms`, in a transaction of its own;
  /// how many it was. Called again until it is none: nobody waits long for the store meanwhile.
  virtual Result<size_t> expire_audit(int64_t before_unix_ms, size_t most) = 0;
};

}  // namespace weir::store
