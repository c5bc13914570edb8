"""Measures whether a model matches its data: baselines, checks of samples and latent rows, and a verdict in words."""
