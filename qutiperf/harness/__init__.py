"""Between LoadGen and the adapters: samples in memory, batches, streams, and the times of each phase."""
