// What Redis or Valkey runs for one turn: LeaseBook::take() (store/lease_book.cc) in Lua, number for number.
// One hash a scope: "h:REPLICA" a holder's numbers, "r" the cells of its rates, "s" until when it is scarce.
// The clock is the server's. The hash goes when nobody had a turn for 400 days.
#pragma once

#include <string_view>

namespace weir::store::redis {

inline constexpr std::string_view kLeaseScript = R"lua(
local key, holder, lease_us = KEYS[1], ARGV[1], tonumber(ARGV[2])
local at = 2
local function arg() at = at + 1 return tonumber(ARGV[at]) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function words(text)
  local t = {}
  for w in string.gmatch(text, '%S+') do t[#t + 1] = tonumber(w) end
  return t
end
local function join(t)
  local s = {}
  for i = 1, #t do s[i] = string.format('%.0f', t[i]) end
  return table.concat(s, ' ')
end
-- A holder: 1 epoch, 2 turn, 3 expires, 4 day, 5 month, 6-8 money spent, 9-11 tokens spent,
-- 12 money held, 13 of it idle, 14 tokens held, 15 of it idle, 16 streams, 17 of it idle, 18-21 of the rates
local others, me, cells, scarce = {}, nil, {0, 0, 0, 0}, 0
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if all[i] == 'r' then cells = words(all[i + 1])
  elseif all[i] == 's' then scarce = tonumber(all[i + 1])
  elseif all[i] == 'h:' .. holder then me = words(all[i + 1])
  else others[#others + 1] = words(all[i + 1]) end
end
local known = me ~= nil
me = me or {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
local epoch, turn, day, month = arg(), arg(), arg(), arg()
local out = {0, 0, me[1], 1}
if known and epoch > 0 and (epoch < me[1] or (epoch == me[1] and turn < me[2])) then
  out[1] = 1
  for i = 5, 26 do out[i] = 0 end
  return out
end
local fresh = not known or epoch == 0
local covered = not fresh and me[3] > now
if epoch == 0 then epoch = me[1] + 1 end
me[1], me[2], me[3], me[4], me[5] = epoch, turn, now + lease_us, day, month
local replicas = 0
if me[3] > now then replicas = 1 end
for _, o in ipairs(others) do if o[3] > now then replicas = replicas + 1 end end
local function slice(room, need, want)
  local wanted = math.min(want, math.floor(room / (2 * replicas)))
  if room >= need then return math.max(need, wanted) end
  return wanted
end
out[3], out[4] = epoch, replicas
local unlimited = 9007199254740992
for k = 0, 1 do
  local limits, spent, o_spent = {}, {}, {0, 0, 0}
  for p = 1, 3 do limits[p] = arg() end
  for p = 1, 3 do spent[p] = arg() me[5 + 3 * k + p] = spent[p] end
  local hold, kept, need, want = arg(), arg(), arg(), arg()
  if not covered then hold, want, kept = hold - kept, want + kept, 0 end
  local held, idle = 0, 0
  for _, o in ipairs(others) do
    if o[4] >= day then o_spent[1] = o_spent[1] + o[6 + 3 * k] end
    if o[5] >= month then o_spent[2] = o_spent[2] + o[7 + 3 * k] end
    o_spent[3] = o_spent[3] + o[8 + 3 * k]
    if o[3] > now then held = held + o[12 + 2 * k] idle = idle + o[13 + 2 * k] end
  end
  local room = unlimited
  for p = 1, 3 do
    if limits[p] >= 0 then room = math.min(room, limits[p] - o_spent[p] - spent[p] - held - hold) end
  end
  local extra = 0
  if room < unlimited then
    room = math.max(room, 0)
    extra = slice(room, need, want)
    if extra < need then scarce = now + 2000000 end
  end
  me[12 + 2 * k], me[13 + 2 * k] = hold + extra, kept + extra
  local b = 5 + 6 * k
  out[b], out[b + 1], out[b + 2] = hold + extra, room - extra, idle
  out[b + 3], out[b + 4], out[b + 5] = o_spent[1], o_spent[2], o_spent[3]
end
for r = 1, 4 do
  local per_minute, told, used, need, want = arg(), arg(), arg(), arg(), arg()
  if fresh then me[17 + r] = told end
  local granted, wait = me[17 + r], 0
  if per_minute > 0 then
    local target = used + math.max(need, want)
    if target < granted then
      cells[r] = cells[r] - math.ceil((granted - target) * 60000000 / per_minute)
      granted = target
    else
      cells[r] = math.max(cells[r], now)
      if used > granted then
        cells[r] = cells[r] + math.ceil((used - granted) * 60000000 / per_minute)
        granted = used
      end
      local room = math.max(math.floor((now + 60000000 - cells[r]) * per_minute / 60000000), 0)
      local left = math.max(used + need - granted, 0)
      local extra = slice(room, left, target - granted)
      if extra < left then
        wait = math.max(cells[r] + math.ceil(left * 60000000 / per_minute) - now - 60000000, 1)
        scarce = now + 2000000
      end
      cells[r] = cells[r] + math.ceil(extra * 60000000 / per_minute)
      granted = granted + extra
    end
  end
  me[17 + r] = granted
  out[15 + 2 * r], out[16 + 2 * r] = granted, wait
end
local most, hold, kept, need, want = arg(), arg(), arg(), arg(), arg()
if not covered then hold, want, kept = hold - kept, want + kept, 0 end
local held, idle, extra, free = 0, 0, 0, 0
for _, o in ipairs(others) do
  if o[3] > now then held = held + o[16] idle = idle + o[17] end
end
if most > 0 then
  local room = math.max(most - held - hold, 0)
  extra = slice(room, need, want)
  if extra < need then scarce = now + 2000000 end
  free = room - extra + idle
end
me[16], me[17] = hold + extra, kept + extra
out[25], out[26] = hold + extra, free
if scarce > now then out[2] = 1 end
redis.call('HSET', key, 'h:' .. holder, join(me), 'r', join(cells), 's', string.format('%.0f', scarce))
redis.call('PEXPIRE', key, 34560000000)
return out
)lua";

}  // namespace weir::store::redis
