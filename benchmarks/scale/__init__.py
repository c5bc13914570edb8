"""Estimates a thousand replicas and 10^12 rows from costs that were measured on one machine."""
