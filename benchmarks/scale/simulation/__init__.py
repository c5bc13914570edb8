"""A discrete-event simulation of proxies and replicas."""
