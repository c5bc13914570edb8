"""Converts tables of any kind to the rows of a model, by one rule for columns and one rule for cells.

Columns. A table with column names is matched by name: a CSV text with a header, Arrow, Parquet, a DataFrame, a
structured array. The order does not matter, and further columns of any type are left out. A column of the model that is
missing, or occurs twice, is an error that lists the names of the table and of the model. Names are compared exactly,
after the white space around them is removed. A table without column names is read by position: an array, JSON, .npy, a
CSV text without a header, a frame with the integer labels that pandas gives. It must have as many columns as the model.

Header. Line 1 of a CSV text names the columns if none of its cells is a number or missing. If all are, it is the first
row. A mixture of both is an error. A cell in quotes is a name even if it looks like a number.

Cells. A cell is a number, missing or wrong.
- A number is decimal text such as -1.5e3, or inf or infinity; spaces and tabs around it do not count.
- A missing cell is empty or blank, or is NA, N/A, NaN, null, none or <NA> in upper or lower case; in typed tables it is
  null, NaN, None or masked.
- Everything else is wrong: abc, 1_000, 0x10, 12,5, a date, a truth value; and a column of text, truth values, dates,
  complex numbers or bytes.

A row with a missing cell or a number that is not finite has no answer; other rows keep theirs. A wrong cell, and a row
with too few or too many cells, is an error that names the row, the column and the cell. An empty line between rows is a
row with too few cells. Lines end with LF, CRLF or CR, and the text is UTF-8 with or without a byte order mark.

Files. A file that a person names may have another dialect or format, and may be compressed: `diffeo.tables.reading`
translates it to this text, and then these rules hold. What the service receives is not translated.
"""
