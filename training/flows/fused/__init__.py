"""Splines as the steps of a fit compute them on the processor: compiled, with derivatives that are written by hand.

Automatic differentiation records some sixty small operations for each layer of splines, which take more time than the
arithmetic. The functions here have the values of the splines up to rounding, and first derivatives only.
"""
