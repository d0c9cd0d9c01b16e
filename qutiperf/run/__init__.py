"""Measures a sweep: plans it, runs and watches one worker process per group, stores the records."""
