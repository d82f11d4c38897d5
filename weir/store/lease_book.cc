#include "weir/store/lease_book.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weir::store {
namespace {

constexpr int64_t kScarceUs = 2'000'000;
constexpr double kMinuteUs = 60e6;

// In doubles, in this order, so that Lua comes to the same.
int64_t us_of(int64_t amount, int64_t per_minute) {
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(amount) * kMinuteUs / static_cast<double>(per_minute)));
}
int64_t amount_in(int64_t us, int64_t per_minute) {
  return static_cast<int64_t>(
      std::floor(static_cast<double>(us) * static_cast<double>(per_minute) / kMinuteUs));
}

// What is given of `room` beyond what must be held.
int64_t slice(int64_t room, int64_t need, int64_t want, int64_t replicas) {
  int64_t wanted = std::min(want, room / (2 * replicas));
  return room >= need ? std::max(need, wanted) : wanted;
}

// What was kept of a lease that has ended is only wished for.
template <class Ask>
void let_go(Ask& ask) {
  ask.hold -= ask.idle;
  ask.want += ask.idle;
  ask.idle = 0;
}

}  // namespace

std::array<int64_t*, LeaseBook::Holder::kNumbers> LeaseBook::Holder::numbers() {
  return {&epoch,       &turn,        &expires_us,   &day,         &month,      &spent[0][0], &spent[0][1],
          &spent[0][2], &spent[1][0], &spent[1][1],  &spent[1][2], &held[0],    &idle[0],     &held[1],
          &idle[1],     &streams,     &streams_idle, &granted[0],  &granted[1], &granted[2],  &granted[3]};
}

LeaseGrant LeaseBook::take(std::string_view holder, const LeaseTurn& turn, int64_t now_us, int64_t lease_us) {
  auto found = holders_.find(holder);
  bool known = found != holders_.end();
  if (!known) found = holders_.emplace(holder, Holder{}).first;
  Holder& me = found->second;
  LeaseGrant grant;
  if (known && turn.epoch > 0 && (turn.epoch < me.epoch || (turn.epoch == me.epoch && turn.turn < me.turn))) {
    grant.stale = true;
    grant.epoch = me.epoch;
    return grant;
  }
  bool fresh = !known || turn.epoch == 0;
  bool covered = !fresh && live(me, now_us);
  me.epoch = turn.epoch == 0 ? me.epoch + 1 : turn.epoch;
  me.turn = turn.turn;
  me.expires_us = now_us + lease_us;
  me.day = turn.day;
  me.month = turn.month;
  for (size_t k = 0; k < kLeaseBudgets; ++k)
    me.spent[k] = turn.budgets[k].spent;
  if (fresh)
    for (size_t r = 0; r < kLeaseRates; ++r)
      me.granted[r] = turn.rates[r].granted;
  grant.epoch = me.epoch;
  grant.replicas = std::ranges::count_if(holders_, [&](const auto& h) { return live(h.second, now_us); });
  for (size_t k = 0; k < kLeaseBudgets; ++k)
    take_budget(me, k, turn, covered, now_us, grant);
  for (size_t r = 0; r < kLeaseRates; ++r)
    take_rate(me, r, turn.rates[r], now_us, grant);
  take_streams(me, turn.streams, covered, now_us, grant);
  grant.scarce = scarce_until_us_ > now_us;
  return grant;
}

void LeaseBook::note_scarce(int64_t now_us) {
  scarce_until_us_ = now_us + kScarceUs;
}

void LeaseBook::take_budget(Holder& me, size_t kind, const LeaseTurn& turn, bool covered, int64_t now_us,
                            LeaseGrant& grant) {
  BudgetAsk ask = turn.budgets[kind];
  if (!covered) let_go(ask);
  BudgetGrant& out = grant.budgets[kind];
  int64_t held_by_others = 0;
  for (const auto& [id, other] : holders_) {
    if (&other == &me) continue;
    // Who is in a later period already has spent in this one too, as far as anybody can tell.
    if (other.day >= turn.day) out.others[0] += other.spent[kind][0];
    if (other.month >= turn.month) out.others[1] += other.spent[kind][1];
    out.others[2] += other.spent[kind][2];
    if (!live(other, now_us)) continue;
    held_by_others += other.held[kind];
    out.idle += other.idle[kind];
  }
  int64_t room = kLeaseUnlimited;
  for (size_t p = 0; p < kLeasePeriods; ++p)
    if (ask.limits[p] >= 0)
      room = std::min(room, ask.limits[p] - out.others[p] - ask.spent[p] - held_by_others - ask.hold);
  int64_t extra = 0;
  if (room < kLeaseUnlimited) {
    room = std::max<int64_t>(room, 0);
    extra = slice(room, ask.need, ask.want, grant.replicas);
    if (extra < ask.need) note_scarce(now_us);
  }
  me.held[kind] = out.held = ask.hold + extra;
  me.idle[kind] = ask.idle + extra;
  out.free = room - extra;
}

void LeaseBook::take_rate(Holder& me, size_t rate, const RateAsk& ask, int64_t now_us, LeaseGrant& grant) {
  int64_t& granted = me.granted[rate];
  int64_t& empty_at = empty_at_us_[rate];
  RateGrant& out = grant.rates[rate];
  if (ask.per_minute <= 0) {
    out.granted = granted;
    return;
  }
  int64_t target = ask.used + std::max(ask.need, ask.want);
  if (target < granted) {  // what it does not need flows back
    empty_at -= us_of(granted - target, ask.per_minute);
    granted = target;
  } else {
    empty_at = std::max(empty_at, now_us);
    if (int64_t owed = ask.used - granted; owed > 0) {
      empty_at += us_of(owed, ask.per_minute);
      granted = ask.used;
    }
    int64_t room =
        std::max<int64_t>(amount_in(now_us + static_cast<int64_t>(kMinuteUs) - empty_at, ask.per_minute), 0);
    int64_t need = std::max<int64_t>(ask.used + ask.need - granted, 0);
    int64_t extra = slice(room, need, target - granted, grant.replicas);
    if (extra < need) {
      int64_t early = empty_at + us_of(need, ask.per_minute) - now_us - static_cast<int64_t>(kMinuteUs);
      out.wait_us = std::max<int64_t>(early, 1);
      note_scarce(now_us);
    }
    empty_at += us_of(extra, ask.per_minute);
    granted += extra;
  }
  out.granted = granted;
}

void LeaseBook::take_streams(Holder& me, StreamsAsk ask, bool covered, int64_t now_us, LeaseGrant& grant) {
  if (!covered) let_go(ask);
  int64_t held = 0, idle = 0;
  for (const auto& [id, other] : holders_) {
    if (&other == &me || !live(other, now_us)) continue;
    held += other.streams;
    idle += other.streams_idle;
  }
  int64_t extra = 0;
  if (ask.most > 0) {
    int64_t room = std::max<int64_t>(ask.most - held - ask.hold, 0);
    extra = slice(room, ask.need, ask.want, grant.replicas);
    if (extra < ask.need) note_scarce(now_us);
    grant.streams.free = room - extra + idle;
  }
  me.streams = grant.streams.held = ask.hold + extra;
  me.streams_idle = ask.idle + extra;
}

// ----------------------------------------------------------------------------------- as text

namespace {

void append(std::string& text, int64_t number) {
  text += ' ';
  text += std::to_string(number);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  std::string_view word() {
    while (rest_.starts_with(' '))
      rest_.remove_prefix(1);
    size_t end = std::min(rest_.find(' '), rest_.size());
    std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  bool number(int64_t& into) {
    std::string_view digits = word();
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && !digits.empty() && end == digits.data() + digits.size();
  }

 private:
  std::string_view rest_;
};

}  // namespace

// "1 scarce_until empty_at... holder numbers... holder numbers..." with a replica's id as one word.
std::string LeaseBook::text() const {
  std::string text = "1";
  append(text, scarce_until_us_);
  for (int64_t at : empty_at_us_)
    append(text, at);
  for (const auto& [id, holder] : holders_) {
    text += ' ';
    text += id;
    Holder copy = holder;
    for (int64_t* number : copy.numbers())
      append(text, *number);
  }
  return text;
}

Result<LeaseBook> LeaseBook::parse(std::string_view text) {
  LeaseBook book;
  if (text.empty()) return book;
  Reader reader(text);
  auto broken = [] { return fail_internal(ErrorCode::kIo, "the account of a shared limit is not readable"); };
  if (reader.word() != "1" || !reader.number(book.scarce_until_us_)) return broken();
  for (int64_t& at : book.empty_at_us_)
    if (!reader.number(at)) return broken();
  for (std::string_view id = reader.word(); !id.empty(); id = reader.word()) {
    Holder holder;
    for (int64_t* number : holder.numbers())
      if (!reader.number(*number)) return broken();
    book.holders_.emplace(id, holder);
  }
  return book;
}

// --------------------------------------------------------------------------------- as numbers

namespace {

constexpr size_t kTurnNumbers = 4 + kLeaseBudgets * (2 * kLeasePeriods + 4) + kLeaseRates * 5 + 5;
constexpr size_t kGrantNumbers = 4 + kLeaseBudgets * (3 + kLeasePeriods) + kLeaseRates * 2 + 2;

// The one order of both ways: `field` is told every number.
template <class Turn, class Field>
void each_field(Turn& turn, Field field) {
  field(turn.epoch), field(turn.turn), field(turn.day), field(turn.month);
  for (auto& b : turn.budgets) {
    for (auto& limit : b.limits)
      field(limit);
    for (auto& spent : b.spent)
      field(spent);
    field(b.hold), field(b.idle), field(b.need), field(b.want);
  }
  for (auto& r : turn.rates)
    field(r.per_minute), field(r.granted), field(r.used), field(r.need), field(r.want);
  field(turn.streams.most), field(turn.streams.hold), field(turn.streams.idle);
  field(turn.streams.need), field(turn.streams.want);
}

template <class Grant, class Field>
void each_field_of_grant(Grant& grant, Field field) {
  field(grant.epoch), field(grant.replicas);
  for (auto& b : grant.budgets) {
    field(b.held), field(b.free), field(b.idle);
    for (auto& others : b.others)
      field(others);
  }
  for (auto& r : grant.rates)
    field(r.granted), field(r.wait_us);
  field(grant.streams.held), field(grant.streams.free);
}

}  // namespace

std::vector<int64_t> numbers_of(const LeaseTurn& turn) {
  std::vector<int64_t> numbers;
  numbers.reserve(kTurnNumbers);
  each_field(turn, [&](int64_t n) { numbers.push_back(n); });
  return numbers;
}

Result<LeaseTurn> lease_turn_of(std::string_view scope, std::span<const int64_t> numbers) {
  if (numbers.size() != kTurnNumbers) return fail_internal(ErrorCode::kIo, "a turn of other numbers");
  LeaseTurn turn;
  turn.scope = scope;
  size_t i = 0;
  each_field(turn, [&](int64_t& n) { n = numbers[i++]; });
  return turn;
}

std::vector<int64_t> numbers_of(const LeaseGrant& grant) {
  std::vector<int64_t> numbers{grant.stale ? 1 : 0, grant.scarce ? 1 : 0};
  numbers.reserve(kGrantNumbers);
  each_field_of_grant(grant, [&](int64_t n) { numbers.push_back(n); });
  return numbers;
}

Result<LeaseGrant> lease_grant_of(std::span<const int64_t> numbers) {
  if (numbers.size() != kGrantNumbers) return fail_internal(ErrorCode::kIo, "a lease of other numbers");
  LeaseGrant grant;
  grant.stale = numbers[0] != 0;
  grant.scarce = numbers[1] != 0;
  size_t i = 2;
  each_field_of_grant(grant, [&](int64_t& n) { n = numbers[i++]; });
  return grant;
}

}  // namespace weir::store
