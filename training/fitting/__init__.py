"""The optimisation of a flow: its plan, its steps, its threads, its saved state and the choice of what is published."""
