"""Seeded attacks on the package as a black box: `python -m tests.attack` tries them and names what did not hold."""
