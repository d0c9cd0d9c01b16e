"""Evidence of runs, from a record of ours or from anybody's tree, and what it shows."""
