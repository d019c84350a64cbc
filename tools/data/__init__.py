"""A table's items out into files and back into a table, and what a restored table needs before it is used."""
