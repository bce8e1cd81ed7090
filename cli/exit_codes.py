"""How commands end: the exit codes that `pluct --help` and docs/command-line.md list."""

DONE = 0
FAILED = 1
"""A check failed or found something: the ledger, a comparison, a transcription, the smoke test."""
USAGE = 2
"""The command cannot run as given: options, settings, a missing credential, no confirmation."""
REFUSED = 3
"""The gateway does not accept the credential, or the credential does not allow this (401, 403)."""
NOT_FOUND = 4
"""There is no such user, key, job or video (404)."""
UNAVAILABLE = 5
"""The gateway did not answer, or answered that something is out of order (5xx)."""
NO_CREDITS = 6
"""The account does not have enough credits (402)."""
INVALID = 7
"""The gateway rejects the request itself (other 4xx)."""
RATE_LIMITED = 8
"""Too many requests (429)."""
INTERRUPTED = 130
"""The user pressed Ctrl-C."""
