"""The same flow with its hidden products in 8-bit integers."""
