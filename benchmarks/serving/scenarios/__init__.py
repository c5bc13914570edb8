"""The measurements: the comparison in rounds, and the scenarios that only diffeo takes part in."""
