"""Reads a person's table, whatever its format: `read.read_table` for a fit, `rows.open_table` for a model's rows.

Formats. Text with cells separated by commas, semicolons, tabs or bars; .npy and .npz; Parquet; Arrow; a DataFrame of
pandas or polars; an array. Text may be compressed (.gz, .zst), and may be UTF-8, UTF-16, Latin-1 or Windows-1252. The
content decides, not the suffix: a spreadsheet that is named rows.csv is called a spreadsheet.

Meaning. A text in another dialect is translated to the strict CSV text of `diffeo.tables.csv_text`, line by line. So a
cell has one meaning everywhere: the service, which reads only the strict text, gives the same numbers.

Guesses. Each guess is said in a note of the table. Two readings that are both plausible are a fault, which names the
option that decides: `--header` or `--no-header`, `--decimal`, `--delimiter`, `--encoding`.
"""
