"""HTTP as Lambda delivers it: requests, answers, forms, request ids, rate limits, static files."""
