"""Bijections and the flow they compose, forward and inverse side by side; forward is data to latent, z = f(x)."""
