"""Reading request history from the world: files, folders, packages, through DuckDB."""
