"""`pluct ledger`: one module for each of its commands."""
