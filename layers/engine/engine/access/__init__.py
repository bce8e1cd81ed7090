"""Who is calling: tokens, keys, sessions, and the key rings that prove them."""
