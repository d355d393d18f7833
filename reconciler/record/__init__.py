"""What is kept of every decision and update.

The rule: plain data that every room above may make or read; the ledger's files are the adapters'.

- `entries`: one class per event of the ledger, and how its JSON is read
"""
