"""HTTP: here and in `service.app`, nowhere else."""
