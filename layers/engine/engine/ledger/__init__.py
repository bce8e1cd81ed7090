"""Accounts and entries: every change of a balance is posted here, once, with its record and audit."""
