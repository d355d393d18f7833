"""Reads request history through DuckDB: rows become requests per user, application and step.

The rule: what can't be read is an error or a finding, never silently another number.

- `read`: rows of a source → a history
- `rules`: what a reader can't know from the file
- `scan`: which columns a file has, and how its times are read
- `kinds`: whether rows are counts or events, and a misspelt column of counts
- `events`: one row per request, aggregated to steps
- `series`: one row per step
- `ragged`: the line of a CSV file that has another number of fields
- `disguise`: files in another format, encoding or number style than their name says
- `clock_back`: the local hour that comes twice
- `measured_latency`: the latency that users had in the last step
- `source`: the fleet's history section → a history: window, exclusions, replay time
"""
