"""qutiperf measures neural-network inference with MLPerf LoadGen, and shows what MLPerf hides."""

__version__ = "0.1.0"
