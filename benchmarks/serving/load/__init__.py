"""The load: graphs, and wrk, which sends the requests."""
