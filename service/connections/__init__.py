"""Connections: what a client may send and how long it may take, how many connections there are, what they hold."""
