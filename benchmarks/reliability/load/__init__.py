"""The load of the benchmarks: closed and open loops of requests, and the server that they are sent to."""
