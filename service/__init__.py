"""The HTTP service: it decodes requests, computes them with the engines of published bundles, and encodes answers."""
