"""What is kept of a decision, as the entries of the ledger.

The rule: pure; `adapters.ledger` writes and reads them.

- `entries`: one class per event, and how their JSON is read
- `noted`: the entries of a decision, a preview and an update
- `past`: changes that were applied
"""
