"""HTTP: no other folder of the service reads requests or writes responses."""
