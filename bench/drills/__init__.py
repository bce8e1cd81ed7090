"""Failure drills: something breaks in a local run, and what follows is recorded."""
