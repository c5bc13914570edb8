"""Measures exported graphs against the flow in float64, and issues the certificate."""
