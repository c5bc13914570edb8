"""The ground: what a model is on disk. Knows numpy, scipy and pydantic; no runtime, no network, no training."""
