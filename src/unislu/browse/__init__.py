"""`unislu browse`: a local page over the results of `unislu batch`.

`index` keeps the Parquet partitions in DuckDB and follows the folder while it is written; `filters` and
`search` turn what is asked into SQL; `queries` answers; `recording` reads one row whole; `sound` and `export`
find, cut and save. `guard`, `app`, `run` serve it to one person.
"""
