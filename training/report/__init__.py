"""Describes a fit: calibration and provenance for the manifest; loss.csv, plots and report.html for its folder."""

from .description import FRESH_ROWS, calibration, kl_to_truth, provenance
from .files import write_report

__all__ = ["FRESH_ROWS", "calibration", "kl_to_truth", "provenance", "write_report"]
