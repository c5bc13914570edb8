"""The folder of models: scanned, checked in a process of its own, served, and followed while the service runs."""
