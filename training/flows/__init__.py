"""Transforms and the flow that they compose; forward maps data to latent rows, z = f(x)."""
