"""Fits flows to tables, exports them as graphs, certifies them and publishes bundles. Needs torch and onnx."""
