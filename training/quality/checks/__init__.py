"""Checks of samples and latent rows against held-out rows; each returns its part of `diffeo.bundle.schema.quality`."""
