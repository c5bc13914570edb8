"""The report: summaries of the raw results, targets, page, plot."""
