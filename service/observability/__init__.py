"""How an operator sees the service: counters, Prometheus text, logs, timings and traces."""
