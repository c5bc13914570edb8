"""Several fits at the same time: a process for each flow, trials, and the states that they bring back."""
