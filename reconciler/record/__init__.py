"""What is kept of every run, and answers from it.

The rule: pure; the ledger's files and the kept inputs are read and written by the adapters.

- `entries`: one class per event of the ledger, and how its JSON is read
- `noted`: the entries of a decision, a preview and an update
- `past`: changes that were applied, for cooldowns and the churn window
- `answers`: what happened to a resource, and why a plan was as it was
"""
