"""The Open Inference Protocol v2 over REST: what clients made for other servers ask, answered by the same models."""
