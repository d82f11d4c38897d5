#include "weir/accounts/accounts.h"

#include <algorithm>
#include <tuple>

#include "weir/accounts/key.h"
#include "weir/accounts/permission.h"
#include "weir/base/assert.h"
#include "weir/base/json_write.h"
#include "weir/base/mutation.h"

namespace weir::accounts {

using store::Account;
using store::AccountKind;

namespace {
constexpr Duration kExpireEvery = std::chrono::hours(1);
constexpr size_t kExpireRows = 500;  // of the audit log at once: a few milliseconds of its store
}  // namespace

AccountMetrics register_account_metrics(telemetry::Registry& registry) {
  AccountMetrics m;
  m.keys = registry.add_gauge("weir_accounts_keys", "Keys of the accounts that may be used.");
  m.changes =
      registry.add_counter("weir_accounts_changes_total", "Changes of the accounts that were taken over.");
  m.errors = registry.add_counter("weir_accounts_errors_total", "Readings of the accounts that failed.");
  return m;
}

Accounts::Accounts(io::Loop& loop, std::shared_ptr<store::AccountStore> store,
                   std::shared_ptr<const Peppers> peppers, MeterOf meter_of, telemetry::Registry& registry,
                   const AccountMetrics& metrics, Say say, Options options)
    : loop_(loop),
      store_(std::move(store)),
      peppers_(std::move(peppers)),
      meter_of_(std::move(meter_of)),
      say_(std::move(say)),
      options_(std::move(options)) {
  telemetry::Shard& shard = registry.add_shard();
  keys_ = shard.series(metrics.keys, {});
  std::tie(changes_, errors_) = shard.series_of({}, metrics.changes, metrics.errors);
}

Accounts::~Accounts() {
  WEIR_ASSERT(tasks_.running() == 0);
}

// ------------------------------------------------------------------------------------ the start

namespace {

// The first tenant, its owner and the owner's key, where no user owns anything yet.
Result<std::optional<Secret>> make_owner(store::AccountTransaction& t, const Peppers& peppers,
                                         const std::string& env, io::Random& random, int64_t now_ms) {
  TRY(auto users, t.list({.kind = AccountKind::kUser, .tenant = std::string(kFirstTenant)}));
  if (std::ranges::any_of(
          users, [](const Account& u) { return std::ranges::find(u.roles, "owner") != u.roles.end(); }))
    return std::nullopt;
  Account tenant;
  tenant.kind = AccountKind::kTenant;
  tenant.id = tenant.tenant = tenant.name = kFirstTenant;
  tenant.created_unix_ms = now_ms;
  TRY(auto there, t.find(AccountKind::kTenant, kFirstTenant));
  if (!there) TRY_VOID(t.put(tenant));
  Account owner = tenant;
  owner.kind = AccountKind::kUser;
  owner.id = new_account_id(random, "usr_");
  owner.name = "owner";
  owner.roles = {"owner"};
  TRY_VOID(t.put(owner));
  NewKey made = make_key(random, env);
  Account key = owner;
  key.kind = AccountKind::kKey;
  key.id = made.id;
  key.user = owner.id;
  key.name = "owner";
  key.secrets = {{peppers.digest(made.text.reveal()), peppers.current(), made.last4, now_ms, 0}};
  TRY_VOID(t.put(key));
  for (const Account* a : {&owner, &key})
    TRY_VOID(t.add_audit({.unix_ms = now_ms,
                          .tenant = tenant.id,
                          .actor = "weir",
                          .action = a == &key ? "keys.create" : "users.create",
                          .object = a->id,
                          .detail = R"({"first_start":true})"}));
  return std::move(made.text);
}

}  // namespace

Result<std::optional<Secret>> Accounts::begin() {
  std::optional<Secret> owner_key;
  TRY_VOID(store_->change([&](store::AccountTransaction& t) -> Result<void> {
    TRY(owner_key,
        make_owner(t, *peppers_, options_.env, loop_.random(), loop_.wall_now().unix_ns / 1'000'000));
    return {};
  }));
  TRY(store::AccountStore::Everything all, store_->read_all());
  take(Directory::build(all, peppers_, meter_of_));
  return owner_key;
}

void Accounts::start(std::vector<Core> cores) {
  cores_ = std::move(cores);
  tasks_.start(keep());
  if (options_.audit_keep > Duration(0)) tasks_.start(expire());
}

io::Task<void> Accounts::finish() {
  ending_.request(io::CancelReason::kShutdown);
  poll_.disarm();
  co_await tasks_.idle();
  io::Cancel never;
  while (publishing_.load(std::memory_order_acquire) > 0)  // on the other cores' loops
    co_await io::sleep(loop_, milliseconds(1), never);
}

// --------------------------------------------------------------------------------- keeping true

io::Task<void> Accounts::keep() {
  while (!ending_.requested()) {
    if (waiting_.empty()) {
      loop_.arm(poll_, options_.poll);
      if (!co_await wanted_.wait(ending_)) break;
      poll_.disarm();
    }
    co_await look();
  }
  // Who still waits has an answer all the same.
  if (!waiting_.empty()) publish(std::exchange(waiting_, {}));
}

// One look at the store. Who asked while it was under way asks for another.
io::Task<void> Accounts::look() {
  std::vector<Refresh*> waiting = std::exchange(waiting_, {});
  auto version = co_await io::offload(loop_, [this] { return store_->version(); });
  if (!version) {
    failed(version.error());
    publish(std::move(waiting));
    co_return;
  }
  for (Refresh* one : waiting)
    one->fresh_ = true;
  if (*version != read_version_) {
    auto built = co_await io::offload(loop_, [this]() -> Result<std::shared_ptr<const Directory>> {
      TRY(store::AccountStore::Everything all, store_->read_all());
      return Directory::build(all, peppers_, meter_of_);
    });
    if (!built) {
      failed(built.error());
      if (WEIR_MUTATE(kStaleSnapshot)) read_version_ = *version;
      for (Refresh* one : waiting)
        one->fresh_ = false;
      publish(std::move(waiting));
      co_return;
    }
    take(*std::move(built));
  } else if (waiting.empty()) {
    if (failing_.exchange(false)) say_(false, "the accounts can be read again");
    co_return;
  }
  if (failing_.exchange(false)) say_(false, "the accounts can be read again");
  publish(std::move(waiting));
}

void Accounts::take(std::shared_ptr<const Directory> directory) {
  keys_.set(static_cast<double>(directory->keys()));
  changes_.add();
  size_t before = directory_ ? directory_->unverifiable() : 0;
  if (directory->unverifiable() > before)
    say_(true, "there are keys whose pepper is not known here: they are refused (accounts.pepper)");
  directory_ = std::move(directory);
  read_version_ = directory_->version();
}

void Accounts::failed(const Error& error) {
  errors_.add();
  if (failing_.exchange(true) && trouble_ == error.message) return;
  trouble_ = error.message;
  say_(true, "the accounts can not be read, keys stay as they were: " + error.message);
}

// Every core takes the directory; the last of them wakes who waits, each on its loop.
void Accounts::publish(std::vector<Refresh*> waiting) {
  struct Round {
    std::atomic<size_t> left;
    std::vector<Refresh*> waiting;
  };
  auto round = std::make_shared<Round>(cores_.size(), std::move(waiting));
  publishing_.fetch_add(cores_.size(), std::memory_order_relaxed);
  for (size_t k = 0; k < cores_.size(); ++k)
    cores_[k].loop->post([this, core = &cores_[k], round, directory = directory_] {
      core->take(directory);
      if (round->left.fetch_sub(1) == 1)
        for (Refresh* one : round->waiting)
          one->from_.post([waiter = one->waiter_] { waiter.resume(); });
      publishing_.fetch_sub(1, std::memory_order_release);
    });
}

void Accounts::Refresh::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  accounts_.loop_.post([this] {
    accounts_.waiting_.push_back(this);
    accounts_.wanted_.notify();
  });
}

std::vector<std::string> Accounts::warnings() const {
  if (!failing_.load(std::memory_order_relaxed)) return {};
  return {"the accounts can not be read, keys stay as they were; the log says why"};
}

// ------------------------------------------------------------------------------- the audit log

io::Task<void> Accounts::expire() {
  do
    co_await expire_now();
  while (co_await io::sleep(loop_, kExpireEvery, ending_));
}

// Of several replicas each does it; who comes second finds nothing. That the log was shortened stands in it.
io::Task<void> Accounts::expire_now() {
  int64_t now_ms = loop_.wall_now().unix_ns / 1'000'000;
  int64_t before_ms = now_ms - std::chrono::duration_cast<milliseconds>(options_.audit_keep).count();
  size_t removed = 0;
  while (!ending_.requested()) {
    auto some = co_await io::offload(loop_, [&] { return store_->expire_audit(before_ms, kExpireRows); });
    if (!some) say_(true, "old rows of the audit log can not be removed: " + some.error().message);
    if (!some || *some == 0) break;
    removed += *some;
  }
  if (removed == 0) co_return;
  store::AuditRow row{.unix_ms = now_ms, .actor = "weir", .action = "audit.expire"};
  json::Writer(row.detail).begin_object().member("rows", removed).member("before", before_ms).end_object();
  auto noted = co_await io::offload(
      loop_, [&] { return store_->change([&](store::AccountTransaction& t) { return t.add_audit(row); }); });
  say_(!noted, "removed " + std::to_string(removed) + " old rows of the audit log");
}

}  // namespace weir::accounts
