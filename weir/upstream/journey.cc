#include "weir/upstream/journey.h"

#include <algorithm>

namespace weir::upstream {

Journey::Journey(const exchange::Route& route, const exchange::Target* pinned, const RetrySettings& settings,
                 Health& health, RetryBudget& budget, io::Random& random)
    : route_(route), settings_(settings), health_(health), budget_(budget), random_(random), pinned_(pinned) {
  set_out(pinned ? std::span(pinned, 1) : std::span(route.targets));
}

void Journey::set_out(std::span<const exchange::Target> targets) {
  places_.clear();
  places_.reserve(targets.size());
  for (const exchange::Target& target : targets)
    places_.push_back({&target, health_.find(target.provider, target.model)});
  at_ = nullptr;
}

Journey::Stop Journey::stop_at(Place& place, Ask ask, Duration pause) {
  bool again = place.asked > 0 && ask == Ask::kPlain;
  ++place.asked;
  at_ = &place;
  asked_ = ask;
  return {place.target, ask, pause, place.breaker, again};
}

std::optional<Journey::Stop> Journey::next(MonoTime now, bool begun, bool can_go_on) {
  if (at_ && (last_ == Verdict::kGood || last_ == Verdict::kOver)) return std::nullopt;
  if (begun) return can_go_on ? go_on() : std::nullopt;
  if (at_ && last_ == Verdict::kRefused) return std::nullopt;
  if (at_ && last_ == Verdict::kTooLong) {
    if (larger_ || route_.larger.empty()) return std::nullopt;
    larger_ = true;
    set_out(route_.larger);
  }
  // It is not the signer, or is no more: what was remembered is worth nothing.
  if (at_ && last_ == Verdict::kUnfit && pinned_) {
    set_out(route_.targets);
    std::erase_if(places_, [&](const Place& place) { return place.target == pinned_; });
    pinned_ = nullptr;
  }
  if (auto stop = first_time(now)) return stop;
  return again(now);
}

Journey::Place* Journey::admitted(MonoTime now) {
  for (Place& place : places_)
    if (place.asked == 0 &&
        (!place.breaker || places_.size() == 1 || place.breaker->admits(now, random_.next())))
      return &place;
  return nullptr;
}

std::optional<Journey::Stop> Journey::beside(MonoTime now) {
  Place* place = admitted(now);
  if (!place || !budget_.take(now)) return std::nullopt;
  Place* stands_at = at_;
  Stop stop = stop_at(*place, Ask::kPlain, {});
  at_ = stands_at;
  return stop;
}

void Journey::stand_at(const exchange::Target& target) {
  for (Place& place : places_)
    if (place.target == &target) at_ = &place;
}

std::optional<Journey::Stop> Journey::first_time(MonoTime now) {
  if (Place* place = admitted(now)) return stop_at(*place, Ask::kPlain, {});
  // None that is admitted is left: better one that rests than none.
  for (Place& place : places_)
    if (place.asked == 0) return stop_at(place, Ask::kPlain, {});
  return std::nullopt;
}

std::optional<Journey::Stop> Journey::again(MonoTime now) {
  if (retries_ >= settings_.max) return std::nullopt;
  Place* best = nullptr;
  for (Place& place : places_) {
    bool rests = place.breaker && place.breaker->state() == Breaker::State::kResting;
    if (!place.may_again || place.out || rests || place.wait > settings_.retry_after_max) continue;
    if (!best || place.wait < best->wait) best = &place;
  }
  if (!best || !budget_.take(now)) return std::nullopt;
  Duration most =
      std::min<Duration>(settings_.backoff * (int64_t{1} << std::min(retries_, 20)), settings_.backoff_max);
  ++retries_;
  double drawn = static_cast<double>(random_.next() >> 11) * 0x1p-53;
  Duration pause(static_cast<int64_t>(static_cast<double>(most.count()) * drawn));
  return stop_at(*best, Ask::kPlain, best->wait > Duration{} ? best->wait + pause / 8 : pause);
}

std::optional<Journey::Stop> Journey::go_on() {
  if (!going_on_) {
    going_on_ = true;
    // Who broke off comes last; who was silent does not come.
    auto broke_off = places_.begin() + (at_ - places_.data());
    std::rotate(broke_off, broke_off + 1, places_.end());
    for (Place& place : places_) {
      place.ask = place.target->prefill ? Ask::kPrefill : Ask::kGoOn;
      place.out = place.silent;
    }
    at_ = nullptr;
  } else if (at_ && (last_ == Verdict::kRefused || last_ == Verdict::kUnfit) && at_->ask != Ask::kAnew) {
    // It takes no such request: in the next way, if there is one.
    at_->ask = at_->ask == Ask::kPrefill ? Ask::kGoOn : Ask::kAnew;
    return stop_at(*at_, at_->ask, {});
  } else if (at_) {
    at_->out = true;
  }
  for (Place& place : places_)
    if (!place.out) return stop_at(place, place.ask, {});
  return std::nullopt;
}

void Journey::note(Verdict verdict, Duration retry_after) {
  last_ = verdict;
  if (!at_) return;
  at_->wait = retry_after;
  // A busy one that names no time is left alone: callers ask again by themselves, and that would multiply.
  at_->may_again = verdict == Verdict::kFault || (verdict == Verdict::kBusy && retry_after > Duration{});
  at_->silent = at_->silent || verdict == Verdict::kSilent;
  at_->out =
      at_->out || verdict == Verdict::kSilent || verdict == Verdict::kUnfit || verdict == Verdict::kFull;
}

}  // namespace weir::upstream
