"""What is kept of every run: typed entries of the ledger, the inputs of a decision, and answers from both. Pure."""
