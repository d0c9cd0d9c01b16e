"""How a sweep is measured: planned, one worker process a group, watched, limited and stored."""
