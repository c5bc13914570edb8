"""The servers of the comparison: installation, processes, requests."""
