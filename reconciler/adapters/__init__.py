"""Everything that touches the world, one file per world: history, engine, prices, files, ledger, hypervisors."""
