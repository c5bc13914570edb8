"""The runs of the simulation: checks of the formulas, and studies for the report."""
