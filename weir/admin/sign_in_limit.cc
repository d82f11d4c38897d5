#include "weir/admin/sign_in_limit.h"

#include <algorithm>
#include <vector>

namespace weir::admin {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000, kSecondNs = 1'000'000'000;

// "2001:db8::1" -> its first four groups, "2001:db8:0:0". As sockets print it: lower case, one "::" at most.
std::string network_of(std::string_view peer) {
  size_t gap = peer.find("::");
  if (!peer.contains(':') || peer.contains('.')) return std::string(peer);  // IPv4, mapped or not; "unix"
  auto groups = [](std::string_view text) {
    std::vector<std::string_view> found;
    while (!text.empty()) {
      size_t end = std::min(text.find(':'), text.size());
      found.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return found;
  };
  std::vector<std::string_view> all = groups(peer.substr(0, gap));
  if (gap != peer.npos) {
    std::vector<std::string_view> last = groups(peer.substr(gap + 2));
    while (all.size() + last.size() < 8)
      all.emplace_back("0");
    all.insert(all.end(), last.begin(), last.end());
  }
  std::string network;
  for (size_t i = 0; i < std::min<size_t>(4, all.size()); ++i)
    network.append(i > 0 ? ":" : "").append(all[i]);
  return network;
}

}  // namespace

int64_t SignInLimit::failed(std::string_view peer, int64_t per_minute, MonoTime now) {
  if (per_minute <= 0) return 0;
  int64_t each_ns = kMinuteNs / per_minute;
  std::string network = network_of(peer);
  std::lock_guard lock(mutex_);
  if (empty_at_ns_.size() >= kAddressesMax && !empty_at_ns_.contains(network)) make_room(now);
  int64_t& empty_at_ns = empty_at_ns_[std::move(network)];
  int64_t then_ns = std::max(empty_at_ns, now.ns) + each_ns;
  int64_t wait_ns = then_ns - now.ns - kMinuteNs;
  if (wait_ns > 0) return (wait_ns + kSecondNs - 1) / kSecondNs;
  empty_at_ns = then_ns;
  return 0;
}

// At most every other time that many new addresses came: a look at all of them is cheap so.
void SignInLimit::make_room(MonoTime now) {
  std::erase_if(empty_at_ns_, [&](const auto& cell) { return cell.second <= now.ns; });
  if (empty_at_ns_.size() < kAddressesMax / 2) return;
  std::vector<int64_t> times;
  for (const auto& [peer, empty_at_ns] : empty_at_ns_)
    times.push_back(empty_at_ns);
  auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  std::erase_if(empty_at_ns_, [&](const auto& cell) { return cell.second <= *middle; });
}

size_t SignInLimit::addresses() const {
  std::lock_guard lock(mutex_);
  return empty_at_ns_.size();
}

}  // namespace weir::admin
