"""Runs the service: worker processes that share one port, or replicas under Ray Serve."""
