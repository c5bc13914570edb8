"""The study: runs the experiments of the coursework, judges its claims and writes the report."""
