"""HTTP: here and in `diffeo.service.app`, nowhere else."""
