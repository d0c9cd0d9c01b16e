"""Executors of a sweep beyond this machine, by the names that `run --executor` takes."""
