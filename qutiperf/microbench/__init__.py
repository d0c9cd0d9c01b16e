"""Levels 1 and 2: suites of layers, stacks and blocks, and what they explain of networks."""
