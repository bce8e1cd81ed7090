"""HTTP as Lambda delivers it: requests, answers, forms, idempotency keys, rate limits, static files."""
