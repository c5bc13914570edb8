"""The report: tables of docs/scaling.md, the page of the simulation, the plot."""
