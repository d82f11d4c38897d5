#include "weir/accounts/directory.h"

#include <algorithm>
#include <bit>

#include "weir/accounts/key.h"
#include "weir/accounts/permission.h"
#include "weir/base/assert.h"

namespace weir::accounts {

using store::Account;
using store::AccountKind;

// The ids are random, yet somebody may choose among many: a multiplication spreads them (Knuth's 2^64 / phi).
size_t Directory::first_place(uint64_t number) const {
  return static_cast<size_t>(number * 0x9e3779b97f4a7c15u >> 32) & (places_.size() - 1);
}

void Directory::add(Entry entry) {
  uint64_t number = key_number(entry.identity.key);
  entries_.push_back(std::move(entry));
  size_t at = first_place(number);
  while (places_[at].entry != 0)
    at = (at + 1) & (places_.size() - 1);
  places_[at] = {number, static_cast<uint32_t>(entries_.size())};
}

const Directory::Entry* Directory::find(std::string_view key_id) const {
  uint64_t number = key_number(key_id);
  for (size_t at = first_place(number); places_[at].entry != 0; at = (at + 1) & (places_.size() - 1))
    if (places_[at].number == number) return &entries_[places_[at].entry - 1];
  return nullptr;
}

Directory::Scope Directory::scope(AccountKind kind, std::string_view tenant, std::string_view id) const {
  WEIR_ASSERT(kind != AccountKind::kKey);
  const auto& scopes = scopes_[static_cast<size_t>(kind)];
  auto at = scopes.find(std::string(id));
  if (at == scopes.end() || at->second.tenant != tenant) return {};
  return at->second.scope;
}

std::shared_ptr<const Directory> Directory::build(const store::AccountStore::Everything& all,
                                                  std::shared_ptr<const Peppers> peppers,
                                                  const MeterOf& meter_of) {
  auto made = std::make_shared<Directory>();
  Directory& d = *made;
  d.version_ = all.version;
  d.peppers_ = std::move(peppers);
  auto meter = [&](const Account& a) {
    return meter_of ? meter_of(name(a.kind), a.id, a.limits, a.tenant) : nullptr;
  };
  size_t keys = 0;
  for (const Account& a : all.accounts) {
    if (a.kind == AccountKind::kKey) {
      ++keys;
      continue;
    }
    Permissions permitted = permissions_of(a.roles, a.tenant == kFirstTenant);
    d.scopes_[static_cast<size_t>(a.kind)][a.id] = {{true, a.suspended, permitted, meter(a)}, a.tenant};
  }
  d.entries_.reserve(keys);
  d.places_.resize(std::bit_ceil(std::max<size_t>(2 * keys, 2)));
  for (const Account& key : all.accounts) {
    if (key.kind != AccountKind::kKey || key.revoked_unix_ms != 0 || key.id.size() != kKeyIdBytes) continue;
    Entry entry;
    exchange::Identity& who = entry.identity;
    who.name = key.name;
    who.tenant = key.tenant;
    who.team = key.team;
    who.user = key.user;
    who.key = key.id;
    who.models = key.models;
    who.roles = key.roles;
    who.permissions = permissions_of(key.roles, key.tenant == kFirstTenant);
    entry.suspended = key.suspended;
    entry.expires_unix_ms = key.expires_unix_ms;
    if (auto own = meter(key)) who.meters.push_back(std::move(own));
    // A key whose tenant, user or team is gone is nobody's.
    auto belongs = [&](AccountKind kind, const std::string& id) {
      if (id.empty()) return;
      Scope scope = d.scope(kind, key.tenant, id);
      entry.suspended = entry.suspended || !scope.known || scope.suspended;
      // What its user may no longer do, the key may not either.
      if (kind == AccountKind::kUser) who.permissions &= scope.permissions;
      if (scope.meter) who.meters.push_back(std::move(scope.meter));
    };
    belongs(AccountKind::kUser, key.user);
    belongs(AccountKind::kTeam, key.team);
    belongs(AccountKind::kTenant, key.tenant);
    size_t place = 0;
    for (const store::KeySecret& secret : key.secrets) {
      const HmacSha256* pepper = d.peppers_->find(secret.pepper);
      if (!pepper) ++d.unverifiable_;
      if (pepper && place < entry.secrets.size())
        entry.secrets[place++] = {pepper, secret.digest, secret.expires_unix_ms};
    }
    d.add(std::move(entry));
  }
  return made;
}

}  // namespace weir::accounts
