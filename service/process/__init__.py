"""The processes that serve the application: workers on one port, or replicas under Ray Serve."""
