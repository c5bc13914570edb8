"""Makes a variant of a flow whose products between hidden layers are computed in 8-bit integers."""
