"""Monotone rational-quadratic splines: with knots from a conditioner in a coupling, or one spline for each column."""
