"""The seven claims of the coursework. A rule judges each claim from the rows of results.csv."""
