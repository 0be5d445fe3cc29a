-- Sends the requests of a file in turn, each with a key of its own, and says in one line of JSON how it went.
-- The file: requests end with \1; where a key belongs stands \2.
local heads, tails, keys, number = {}, {}, nil, 0

function init(args)
  local file = io.open(args[1], "rb")
  for request in file:read("*a"):gmatch("([^\1]+)\1") do
    local head, tail = request:match("^([^\2]*)\2([^\2]*)$")
    heads[#heads + 1] = head or request
    tails[#tails + 1] = tail or false
  end
  file:close()
  keys = args[2]
end

function request()
  number = number + 1
  local at = number % #heads + 1
  if not tails[at] then return heads[at] end
  return heads[at] .. keys .. string.format("%x", number) .. tails[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"us":%d,"refused":%d,"broken":%d,"p50":%d,"p95":%d,"p99":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
