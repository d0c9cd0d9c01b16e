"""The device side: serves an adapter over the Open Inference Protocol.

Standard library, numpy and the adapter's runtime only, in Python 3.9 syntax: `qutiperf export --device`
packs it into the one file that a board needs.
"""
