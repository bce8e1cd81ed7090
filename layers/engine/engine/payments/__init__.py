"""Packs, purchases and what became of them: each payment grants once, and what goes back is taken back."""
