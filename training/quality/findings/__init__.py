"""Sentences about the checks: the difference that was found or not, and the options to try."""
