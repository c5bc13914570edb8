"""Offline: rows to flow to graphs to bundle. Knows torch and onnx; meets the service only on disk."""
