"""Renders report.html: one file with verdict, tables and plots of a fit, which needs no other host and no script."""
