"""The documentation of the API: static pages that are generated from its description."""
