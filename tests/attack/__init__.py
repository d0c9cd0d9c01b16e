"""Seeded attacks on the package: `python -m tests.attack` tries them and names what did not hold."""
