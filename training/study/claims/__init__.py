"""The coursework's seven claims, each judged by a rule on the rows of results.csv; nothing here is typed by hand."""
