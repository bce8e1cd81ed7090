"""Read models for lists, charts and totals: derived from entries, never the source of a decision."""
