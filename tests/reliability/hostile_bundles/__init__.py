"""Hostile bundles with valid seals, made by code, and benign twins that use the same operators legally."""
