"""Runtimes behind one interface (`base`), and how they are found (`registry`).

`base` and the shipped adapters need the standard library, numpy and their runtime only, in Python 3.9
syntax: they also run on devices.
"""
