#include "weir/app/sim/key_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "weir/accounts/key.h"
#include "weir/accounts/pepper.h"
#include "weir/base/assert.h"

namespace weir::app::sim {

using store::Account;
using store::AccountKind;

namespace {

class ChanceRandom final : public io::Random {
 public:
  explicit ChanceRandom(io::sim::Chance& chance) : chance_(chance) {}
  uint64_t next() override { return chance_.next(); }
  void secret(std::span<unsigned char> out) override {
    for (unsigned char& byte : out)
      byte = static_cast<unsigned char>(chance_.next());
  }

 private:
  io::sim::Chance& chance_;
};

Error unreachable() {
  Error error = internal_error(ErrorCode::kUnavailable, "the simulated accounts cannot be reached");
  error.retryable = true;
  return error;
}

}  // namespace

// As one replica sees it. A call is one moment of the world: nothing comes in between.
class DeskStore final : public store::AccountStore {
 public:
  DeskStore(KeyDesk& desk, size_t replica) : desk_(desk), replica_(replica) {}

  Result<void> change(const std::function<Result<void>(store::AccountTransaction&)>& work) override {
    if (!desk_.through(replica_)) return Unexpected(unreachable());
    Change change{desk_.accounts_, desk_.audit_, false};
    TRY_VOID(work(change));
    desk_.accounts_ = std::move(change.accounts);
    desk_.audit_ = std::move(change.audit);
    if (change.wrote) ++desk_.version_;
    return {};
  }
  Result<uint64_t> version() override {
    if (!desk_.through(replica_)) return Unexpected(unreachable());
    return desk_.version_;
  }
  Result<Everything> read_all() override {
    if (!desk_.through(replica_)) return Unexpected(unreachable());
    Everything all{.version = desk_.version_, .accounts = {}};
    for (const Account& account : desk_.accounts_ | std::views::values)
      all.accounts.push_back(account);
    return all;
  }
  Result<std::vector<store::AuditRow>> audit(const AuditFilter&) override { return desk_.audit_; }
  Result<size_t> expire_audit(int64_t before_unix_ms, size_t most) override {
    if (!desk_.through(replica_)) return Unexpected(unreachable());
    auto end = desk_.audit_.begin() + static_cast<ptrdiff_t>(std::min(most, desk_.audit_.size()));
    auto kept = std::remove_if(desk_.audit_.begin(), end,
                               [&](const store::AuditRow& row) { return row.unix_ms < before_unix_ms; });
    size_t removed = static_cast<size_t>(end - kept);
    desk_.audit_.erase(kept, end);
    return removed;
  }

 private:
  struct Change final : store::AccountTransaction {
    Change(std::map<std::pair<AccountKind, std::string>, Account> a, std::vector<store::AuditRow> rows,
           bool w)
        : accounts(std::move(a)), audit(std::move(rows)), wrote(w) {}
    Result<std::optional<Account>> find(AccountKind kind, std::string_view id) override {
      auto at = accounts.find({kind, std::string(id)});
      if (at == accounts.end()) return std::nullopt;
      return at->second;
    }
    Result<std::vector<Account>> list(const Filter& f) override {
      std::vector<Account> found;
      for (const auto& [name, a] : accounts)
        if (name.first == f.kind && name.second > f.after && (!f.tenant || a.tenant == *f.tenant) &&
            (!f.team || a.team == *f.team) && (!f.user || a.user == *f.user) && found.size() < f.limit)
          found.push_back(a);
      return found;
    }
    Result<void> put(const Account& account) override {
      wrote = true;
      accounts[{account.kind, account.id}] = account;
      return {};
    }
    Result<void> remove(AccountKind kind, std::string_view id) override {
      wrote = true;
      accounts.erase({kind, std::string(id)});
      return {};
    }
    Result<void> add_audit(const store::AuditRow& row) override {
      audit.push_back(row);
      audit.back().sequence = static_cast<int64_t>(audit.size());
      return {};
    }
    std::map<std::pair<AccountKind, std::string>, Account> accounts;
    std::vector<store::AuditRow> audit;
    bool wrote;
  };

  KeyDesk& desk_;
  const size_t replica_;
};

KeyDesk::KeyDesk(io::sim::Universe& universe, const Plan& plan)
    : universe_(universe), plan_(plan), chance_(plan.seed ^ 0x6b65792d6465736b), ways_(plan.replicas) {
  WEIR_ASSERT(plan.accounts.keys > 0);
  ChanceRandom random(chance_);
  accounts::Peppers peppers({Secret(kPepper)});
  Account tenant;
  tenant.kind = AccountKind::kTenant;
  tenant.id = tenant.tenant = tenant.name = "simulated";
  // What its keys use is counted here: a key's own meter ends with the key.
  tenant.limits.budgets = {{BudgetPeriod::kTotal, std::nullopt, 1'000'000'000}};
  accounts_[{tenant.kind, tenant.id}] = tenant;
  for (size_t i = 0; i < plan.accounts.keys; ++i) {
    accounts::NewKey made = accounts::make_key(random);
    Account key;
    key.kind = AccountKind::kKey;
    key.id = made.id;
    key.tenant = tenant.id;
    key.name = fmt::format("key-{}", i);
    key.secrets = {{peppers.digest(made.text.reveal()), peppers.current(), made.last4, 0, 0}};
    accounts_[{key.kind, key.id}] = key;
    keys_.push_back({made.id, std::string(made.text.reveal()), std::nullopt});
  }
}

std::shared_ptr<store::AccountStore> KeyDesk::store(size_t replica) {
  return std::make_shared<DeskStore>(*this, replica);
}

void KeyDesk::begin() {
  for (const AccountsPlan::Cut& cut : plan_.accounts.cuts)
    universe_.at(cut.at, [this, cut] {
      Way& way = ways_[cut.replica];
      if (healed_ || way.cut) return;
      way.cut = true;
      way.since = universe_.now();
      if (universe_.tracing())
        universe_.trace("key-desk", fmt::format("weir-{} does not reach it", cut.replica));
      universe_.at(cut.lasts, [this, cut] {
        Way& cut_way = ways_[cut.replica];
        if (!cut_way.cut) return;
        cut_way.cut = false;
        cut_way.gaps.emplace_back(cut_way.since, universe_.now());
        if (universe_.tracing())
          universe_.trace("key-desk", fmt::format("weir-{} reaches it again", cut.replica));
      });
    });
  for (size_t i = 0; i < plan_.accounts.revocations.size(); ++i)
    universe_.at(plan_.accounts.revocations[i], [this, i] {
      if (!healed_) revoke(i % keys_.size());
    });
}

void KeyDesk::revoke(size_t key) {
  Key& one = keys_[key];
  if (one.revoked) return;
  one.revoked = universe_.now();
  ++revocations_;
  accounts_[{AccountKind::kKey, one.id}].revoked_unix_ms = 1;
  ++version_;
  if (universe_.tracing()) universe_.trace("key-desk", fmt::format("revokes key-{}", key));
}

void KeyDesk::heal() {
  healed_ = true;
  for (Way& way : ways_) {
    if (way.cut) way.gaps.emplace_back(way.since, universe_.now());
    way.cut = false;
  }
}

bool KeyDesk::through(size_t replica) {
  Way& way = ways_[replica];
  if (way.cut) return false;
  if (healed_ || !chance_.happens(plan_.accounts.fails)) return true;
  way.gaps.emplace_back(universe_.now(), universe_.now());
  return false;
}

const KeyDesk::Key* KeyDesk::find(std::string_view text) const {
  auto at = std::ranges::find(keys_, text, &Key::text);
  return at == keys_.end() ? nullptr : &*at;
}

const std::string& KeyDesk::any_key(io::sim::Chance& chance) const {
  return keys_[chance.below(keys_.size())].text;
}

std::string KeyDesk::revoked_key() const {
  auto at = std::ranges::find_if(keys_, [](const Key& key) { return key.revoked.has_value(); });
  return at == keys_.end() ? std::string() : at->text;
}

bool KeyDesk::revoked(std::string_view key, MonoTime by) const {
  const Key* one = find(key);
  return one && one->revoked && *one->revoked <= by;
}

// A process that began in the meantime read the store at its start: it needs less time, never more.
bool KeyDesk::must_be_refused(std::string_view key, size_t replica, MonoTime began) const {
  const Key* one = find(key);
  if (!one || !one->revoked) return false;
  MonoTime quiet = *one->revoked;
  const Way& way = ways_[replica];
  for (const auto& [from, to] : way.gaps) {
    if (from >= began) break;
    if (from - quiet > bound()) return true;
    quiet = std::max(quiet, to);
  }
  return (way.cut ? std::min(way.since, began) : began) - quiet > bound();
}

Duration KeyDesk::bound() const {
  return Duration(seconds(2)) + (plan_.faults.slow_disk > 0 ? 3 * plan_.faults.slow_disk_max : Duration(0));
}

}  // namespace weir::app::sim
