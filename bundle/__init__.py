"""A model on disk: reads, checks and writes bundles. It needs numpy, scipy and pydantic, and no runtime."""
