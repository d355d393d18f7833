"""The record of every decision and update.

The rule: plain data that every higher package may create or read. The adapters write the ledger's files.

- `entries`: one class per event of the ledger, and how its JSON is read
- `lift`: entries of earlier versions with the keys of today
"""
