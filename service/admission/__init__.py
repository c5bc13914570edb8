"""Admission: decides whether a request is computed or rejected at once, by the seconds of work ahead of it."""
