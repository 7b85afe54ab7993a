-- For wrk: each request is for the next of so many hosts, spread as if by chance.
local count, n = 1, 0
function init(args)
  count = tonumber(args[1])
end
function request()
  n = (n + 7919) % count
  wrk.headers["Host"] = "app-" .. n .. ".example.com"
  return wrk.format("GET", wrk.path)
end
