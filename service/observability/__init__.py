"""What an operator can see of the service: counters, Prometheus metrics, logs, timings and traces."""
