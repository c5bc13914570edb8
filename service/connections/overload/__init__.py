"""Rejects the requests of a flood before they are read: how many start in a turn, and when clients may send again."""
