-- wrk posts the same body again and again. The last line of its output is a JSON object with the counts.
-- Arguments: the file of the body, then names and values of headers in turn.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*all")
  file:close()
  for i = 2, #args - 1, 2 do
    wrk.headers[args[i]] = args[i + 1]
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  local p50, p99 = 0, 0
  if summary.requests > 0 then
    p50, p99 = latency:percentile(50), latency:percentile(99)
  end
  io.write(string.format(
    '\n{"responses": %d, "error_statuses": %d, "broken_connections": %d, "microseconds": %d, "p50": %d, "p99": %d}\n',
    summary.requests, e.status, e.connect + e.read + e.write + e.timeout, summary.duration,
    p50, p99))
end
