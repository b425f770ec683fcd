-- wrk's load: the requests of a file, one a line ("PATH" or "PATH<tab>first-last" for a range), in turn; $BENCH_REQUESTS names it, $BENCH_CLOSE = one
-- connection per request. Ends with one line of figures for tests/bench/run.
local requests = {}
local at = 0

function init()
	local close = os.getenv("BENCH_CLOSE") == "1"
	for line in io.lines(os.getenv("BENCH_REQUESTS")) do
		local path, range = line:match("^(%S+)\t?(%S*)$")
		local headers = { ["Host"] = "127.0.0.1" }
		if range ~= "" then
			headers["Range"] = "bytes=" .. range
		end
		if close then
			headers["Connection"] = "close"
		end
		requests[#requests + 1] = wrk.format("GET", path, headers)
	end
end

function request()
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, summary.bytes, summary.duration, e.connect + e.read + e.write + e.timeout,
		e.status, latency:percentile(99)))
end
