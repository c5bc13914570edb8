"""A flow in the manner of other libraries, one file each; any `diffeo.density.Density` will do, remote or local."""
