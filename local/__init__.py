"""The local run: deploys the real template into a local AWS engine and serves it over HTTP."""
