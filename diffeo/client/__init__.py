"""The client: the service's operations over HTTP, with NumPy arrays in and out."""
