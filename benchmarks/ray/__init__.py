"""Measures what Ray Serve costs beside a plain server."""
