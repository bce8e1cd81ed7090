"""OpenRouter keys on a prepaid account: plans, keys, usage, notices."""
