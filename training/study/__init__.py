"""The coursework's experiments, its claims and its report: plan, trials, measures, probes, claims, report."""
