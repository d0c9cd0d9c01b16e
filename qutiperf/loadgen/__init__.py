"""MLPerf LoadGen: the only package that imports mlperf_loadgen."""
