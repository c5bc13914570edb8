"""Models that are fitted in seconds and stand beside a flow: one Gaussian, and the best mixture of Gaussians."""
