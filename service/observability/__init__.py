"""Counters, Prometheus metrics, logs, timings and traces of the service."""
