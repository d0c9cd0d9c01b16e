"""Published results of others, MLPerf's and QuTiBench's, in one schema with their sources."""
