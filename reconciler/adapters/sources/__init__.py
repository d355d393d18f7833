"""Sources of demand: where request rows come from. One file per source, and one line in `known.SOURCES`.

A source hands over rows (`protocol.Source`); `reconciler.adapters.history` aggregates, cleans and cuts them. No source
imports the history package.
"""
