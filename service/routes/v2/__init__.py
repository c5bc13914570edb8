"""The Open Inference Protocol (v2): every path below /v2."""
